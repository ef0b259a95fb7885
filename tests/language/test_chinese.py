"""Traditional to simplified: words a shop of Taiwan or Hong Kong uses beside what the mainland calls them."""

import csv
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from aisle.language.chinese import simplify

CHINESE = Path(__file__).parent.parent / "data" / "catalogue" / "chinese.csv"


@pytest.mark.parametrize(
    ("written", "searched"),
    [
        ("手機殼", "手机壳"), ("行動電源", "移动电源"), ("藍牙耳機", "蓝牙耳机"), ("筆記型電腦", "笔记本电脑"),
        ("無線滑鼠", "无线鼠标"), ("髮夾", "发夹"), ("麵包機", "面包机"),
        ("iPhone 14 手機殼 128GB", "iPhone 14 手机壳 128GB"),
        ("蕾絲桌布", "蕾丝桌布"), ("文件夾", "文件夹"),
    ],
)  # fmt: skip
def test_traditional_becomes_simplified(written, searched):
    assert simplify(written) == searched
    assert simplify(searched) == searched


@pytest.mark.parametrize(
    "text", ["", "LC51C", "Größe", "皇后", "软体家具", "桌布", "程序", "スマホ充電器", "電気のカメラ", "😀"]
)
def test_what_is_not_traditional_chinese_stays(text):
    assert simplify(text) == text


def test_simplified_product_rows_stay():
    for row in csv.reader(CHINESE.read_text(encoding="utf-8").splitlines()):
        assert [simplify(cell) for cell in row] == row


def test_long_texts_and_many_threads():
    texts = [f"藍牙耳機 {n} " * 50 for n in range(64)]
    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(simplify, texts)) == [f"蓝牙耳机 {n} " * 50 for n in range(64)]
