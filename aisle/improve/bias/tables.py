"""Brands that compete, words of gender, countries: what may be exchanged without another grade, and what may not.

Short on purpose: a name that is a word as well (Sharp, Lodge, Fossil) is left out, so is a country that names a kind
("italian dressing"). Data only.
"""

from __future__ import annotations

from collections.abc import Mapping

BRANDS: Mapping[str, tuple[str, ...]] = {
    "sports": ("Nike", "Adidas", "Puma", "Reebok", "New Balance", "Asics", "Skechers", "Under Armour", "Converse"),
    "electronics": ("Sony", "Samsung", "LG", "Panasonic", "Philips", "Toshiba", "Vizio", "Hisense"),
    "computers": ("Dell", "HP", "Lenovo", "Asus", "Acer", "MSI"),
    "storage": ("Seagate", "SanDisk", "Kingston", "Western Digital", "Lexar", "PNY", "Verbatim"),
    "cameras": ("Canon", "Nikon", "Polaroid", "Kodak", "Fujifilm", "Olympus"),
    "kitchen": ("Cuisinart", "KitchenAid", "Hamilton Beach", "Oster", "Sunbeam", "Breville", "DeLonghi"),
    "cookware": ("T-fal", "Tramontina", "Calphalon", "Farberware", "Cuisinart"),
    "networks": ("Netgear", "Linksys", "Belkin", "D-Link", "TP-Link"),
    "skin": ("Olay", "Aveeno", "Neutrogena", "Nivea", "Garnier"),
    "watches": ("Seiko", "Casio", "Timex", "Bulova"),
    "tools": ("DeWalt", "Makita", "Bosch", "Ryobi", "Milwaukee"),
    "headsets": ("Plantronics", "Jabra", "Logitech", "Sennheiser"),
    "phones, Chinese": ("华为", "小米", "三星", "荣耀", "联想", "中兴"),
    "appliances, Chinese": ("海尔", "美的", "格力", "西门子", "松下", "九阳"),
}
"""Field to brands that make the same things. A brand in two fields belongs to the first that has the others too."""

TIED = (
    "iphone", "ipad", "ipod", "macbook", "imac", "galaxy", "playstation", "ps2", "ps3", "ps4", "xbox", "wii", "bravia",
    "xperia", "walkman", "cyber-shot", "thinkpad", "ideapad", "yoga", "inspiron", "vaio", "kindle", "shox", "air max",
    "airmax", "jordan", "free run", "lunarlon", "chuck taylor", "all star", "powershot", "eos", "coolpix", "lumix",
    "instax", "smartwater", "artisan", "keurig", "k-cup", "nespresso", "viera", "gear vr", "note 3", "shape-ups",
    "gorun", "go walk", "springblade", "superstar", "samba", "501", "505",
)  # fmt: skip
"""Names that belong to one brand: with another one the text would be of no product."""

GENDERS: Mapping[str, tuple[tuple[str, str], ...]] = {
    "adults": (
        ("men's", "women's"), ("men’s", "women’s"), ("mens", "womens"), ("men", "women"), ("man", "woman"),
        ("male", "female"), ("gentlemen", "ladies"), ("for him", "for her"),
        ("男士", "女士"), ("男式", "女式"), ("男款", "女款"), ("男装", "女装"), ("男鞋", "女鞋"), ("男生", "女生"),
    ),
    "children": (
        ("boy's", "girl's"), ("boys'", "girls'"), ("boy’s", "girl’s"), ("boys", "girls"), ("boy", "girl"),
        ("男童", "女童"), ("男孩", "女孩"),
    ),
}  # fmt: skip
"""Words for one and for the other, the longer first."""
GENDER_GROUPS: Mapping[str, tuple[str, str]] = {"adults": ("men", "women"), "children": ("boys", "girls")}

BOUND = (
    "dress", "dresses", "skirt", "gown", "bra", "bras", "bikini", "lingerie", "maternity", "nursing", "heels", "heel",
    "blouse", "purse", "handbag", "pantyhose", "panty", "panties", "thong", "leggings", "bridal", "bridesmaid",
    "necktie", "tie", "beard", "shaver", "razor", "boxer", "boxers", "briefs", "tuxedo", "prostate", "mascara",
    "spiderman", "superman", "batman", "princess", "barbie", "连衣裙", "裙", "文胸", "内衣", "高跟", "领带", "剃须",
)  # fmt: skip
"""Words of things that are made for one gender, or that name somebody: their texts are not exchanged."""

COUNTRIES: Mapping[str, tuple[str, ...]] = {
    "en": ("USA", "China", "Germany", "Italy", "Japan", "India", "Vietnam", "Mexico", "France", "Turkey"),
    "zh": ("美国", "中国", "德国", "意大利", "日本", "印度", "越南", "墨西哥", "法国", "土耳其"),
}
"""Where a product may be made; the same places in both languages, under the English name in reports."""
MADE_IN: Mapping[str, str] = {"en": "{title} Made in {country}", "zh": "{title} {country}制造"}
