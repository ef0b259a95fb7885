"""Words and their places: each word's text stands where it says, and taking words out leaves the rest."""

from aisle.explain.cut import without, word_key, words_of


def shown(text):
    return [text[word.start : word.end] for word in words_of(text)]


def test_words_stand_where_they_say():
    text = 'HP LC-51C (14.5") "Été" & 黑色无线鼠标,USB'
    assert shown(text) == ["HP", "LC-51C", "14.5", "Été", "黑色", "无线", "鼠标", "USB"]


def test_a_slash_parts_words_as_it_does_for_bm25():
    assert shown("IBM/LENOVO headphones/headset SPM6900/10") == [
        "IBM",
        "LENOVO",
        "headphones",
        "headset",
        "SPM6900",
        "10",
    ]


def test_a_key_is_the_word_without_case_and_width():
    assert [word.key for word in words_of("ＵＳＢ Usb")] == ["usb", "usb"]
    assert word_key("ÉTÉ") == "été"


def test_a_word_is_taken_out_wherever_it_stands_and_no_part_of_another_is():
    assert without("Mouse pad for a mouse, mousepad", ["mouse"]) == "pad for a , mousepad"
    assert without("无线蓝牙耳机", ["蓝牙"]) == "无线 耳机"  # a blank, lest the neighbours become a word
    assert without("all of it", ["all", "of", "it"]) == ""
    assert without("nothing", ()) == "nothing"
