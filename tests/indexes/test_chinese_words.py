"""The file of Chinese words: what is a word, how counts survive, what a kill leaves."""

from aisle.indexes.chinese_words import ChineseWords


def words(path, sound, loosely=False):
    return [(found.word, found.count) for found in ChineseWords(path).sounding(sound, loosely=loosely)]


def test_words_are_found_by_their_sound_the_frequent_first(tmp_path):
    path = tmp_path / "chinese.txt"
    writer = ChineseWords(path)
    writer.add(["手机 手机 手机", "手迹", "手机"])
    assert words(path, "shouji") == [("手机", 4), ("手迹", 1)]
    assert words(path, "souji") == []
    assert words(path, "souji", loosely=True) == [("手机", 4), ("手迹", 1)]
    assert "手机" in writer
    assert "耳机" not in writer


def test_repeated_pieces_are_words(tmp_path):
    path = tmp_path / "chinese.txt"
    ChineseWords(path).add(["珂润面霜", "珂润乳液", "珂润洁面", "手机壳", *["鞋"] * 1_000])
    assert words(path, "kerun") == [("珂润", 2)], "three, by doublings"
    assert "手机壳" not in ChineseWords(path), "once among many is no habit"
    ChineseWords(path).add(["手机壳"])
    assert "手机壳" in ChineseWords(path), "a small catalogue has every word once"


def test_counts_grow_by_doubling_over_writes(tmp_path):
    path = tmp_path / "chinese.txt"
    writer = ChineseWords(path)
    for _ in range(9):
        writer.add(["手机", "手機"])
    assert words(path, "shouji") == [("手机", 16)]
    ChineseWords(path).add(["手机"] * 3)
    assert words(path, "shouji") == [("手机", 16)]
    assert path.read_text(encoding="utf-8").count("手机") == 5


def test_readers_follow_and_half_a_line_spoils_nothing(tmp_path):
    path = tmp_path / "chinese.txt"
    writer, reader = ChineseWords(path), ChineseWords(path)
    assert len(reader) == 0
    writer.add(["手机"])
    assert "手机" in reader
    with path.open("ab") as file:
        file.write("耳机\ter".encode())
    assert "耳机" not in reader
    again = ChineseWords(path)
    again.add(["耳机"])
    assert "耳机" in reader
    assert "耳机" in again
    assert words(path, "er") == []


def test_text_without_chinese_needs_no_file(tmp_path):
    ChineseWords(tmp_path / "chinese.txt").add(["wireless keyboard", "", "スマホ"])
    assert not (tmp_path / "chinese.txt").exists()
