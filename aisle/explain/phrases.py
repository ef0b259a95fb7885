"""The wording of explanations: one value of phrases a language. Text only."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from aisle.explain.values import ChangeKind, Language, Model


@dataclass(frozen=True, slots=True)
class Phrases:
    """How one language says it; names in braces are filled in."""

    place: str
    place_browsing: str
    gives: str
    takes: str
    alone: str
    share: str
    took_part: str
    note: str
    asked: str
    has: str
    quoted: str
    figure: str
    silent: str
    nothing_against: str
    status: Mapping[str, str]
    truth: Mapping[bool, str]
    models: Mapping[Model, str]
    query_words: str
    product_words: str
    bm25_words: str
    owes: str
    against: str
    estimated: str
    word: str
    without: str
    more_without: str
    above: str
    gap: str
    tie: str
    no_change: str
    sorted_by: str
    changes: Mapping[ChangeKind, str]
    would: str
    about: str
    absent: str
    fails: str
    no_value: str
    searched: str
    no_words: str
    shortfall: str
    kept_out: str
    cut: str
    refused: str
    bracket: str
    colon: str
    plus: str
    minus: str
    listed: str
    apart: str
    either: str
    and_: str
    or_: str
    stop: str
    blank: str
    ordinal: Callable[[int], str]


def _english_ordinal(number: int) -> str:
    ending = "th" if number % 100 in (11, 12, 13) else {1: "st", 2: "nd", 3: "rd"}.get(number % 10, "th")
    return f"{number:,}{ending}"


ENGLISH = Phrases(
    place="“{title}” is {rank} for “{query}” with a score of {score}",
    place_browsing="“{title}” is {rank} in the list with a score of {score}",
    gives="{amount} from {stage}",
    takes="{amount} from {stage}",
    alone="{rank} by this alone",
    share="{name} {share}",
    took_part="{stage} took part",
    note="The search: {note}.",
    asked="Asked for “{text}”: {found}; {status}.",
    has="{field} is {value}",
    quoted="{text}",
    figure="{text}",
    silent="nothing is said of {field}",
    nothing_against="{field} has nothing against it",
    status={"satisfied": "met", "contradicted": "not met", "unknown": "unknown"},
    truth={True: "yes", False: "no"},
    models={"encoder": "The cosine", "reranker": "The re-ranker's score", "bm25": "The BM25"},
    query_words="{model} of {score} rests, in the query, on {words}.",
    product_words="{model} of {score} rests, in the product, on {words}.",
    bm25_words="Without the word BM25 would lose: {words}.",
    owes="“{word}” {amount}",
    against="These words pull it down: {words}.",
    estimated="Which words these are is estimated, not measured.",
    word="“{word}”",
    without="“{word}” ({amount} lower without it)",
    more_without="“{word}” ({amount} higher without it)",
    above="The next one up is “{title}”",
    gap=", by {gap}. ",
    tie=", with the same score: ids decide. ",
    no_change="No single change that was tried would have put this one above it.",
    sorted_by=": the order is by {fields}, not by relevance.",
    changes={
        "score": "with {measure} of at least {needed} instead of {now}",
        "word": "if its title also said “{name}” (scoring {about}{needed} against {against})",
        "demand": "if it met “{name}” (scoring {needed} against {against})",
        "without": "without {stage}",
        "identifier": "The query names that one exactly, by an identifier that this one does not have",
        "unread": "That one was placed by {stage}, which did not read this one",
    },
    would="This one would be above it {changes}.",
    about="about ",
    absent="“{title}” is not among the results for “{query}”.",
    fails="It fails the condition {condition}: {found}.",
    no_value="it has no value for that",
    searched="It is not among the first {count}.",
    no_words="It has none of the query's words.",
    shortfall="By {stage} it has {score}; the lowest among them has {lowest}.",
    kept_out="Each score by itself is within reach: their sum, a rule, the safety list or a variant keeps it out.",
    cut="{count} candidates were left out as too unlikely to be relevant.",
    refused="The shop does not answer this query: {reason}",
    bracket=" ({text})",
    colon=": ",
    plus=" + ",
    minus=" − ",
    listed=", ",
    apart="; ",
    either="; or ",
    and_=", ",
    or_=" or ",
    stop=".",
    blank=" ",
    ordinal=_english_ordinal,
)

CHINESE = Phrases(
    place="搜索“{query}”时，“{title}”排第 {rank} 位，得分 {score}",
    place_browsing="“{title}”在列表中排第 {rank} 位，得分 {score}",
    gives="{stage}贡献 {amount}",
    takes="{stage}扣减 {amount}",
    alone="单看此项排第 {rank}",
    share="{name}占 {share}",
    took_part="{stage}参与了本次排序",
    note="搜索说明：{note}。",
    asked="要求“{text}”：{found}，{status}。",
    has="{field}为{value}",
    quoted="“{text}”",
    figure=" {text}",
    silent="商品信息未注明{field}",
    nothing_against="{field}中没有与之冲突的内容",
    status={"satisfied": "符合", "contradicted": "不符合", "unknown": "无法判断"},
    truth={True: "是", False: "否"},
    models={"encoder": "语义相似度", "reranker": "重排模型的得分", "bm25": "关键词得分（BM25）"},
    query_words="从搜索词看，{model}（{score}）主要来自{words}。",
    product_words="从商品信息看，{model}（{score}）主要来自{words}。",
    bm25_words="去掉后关键词得分（BM25）的降幅：{words}。",
    owes="“{word}” {amount}",
    against="拉低得分的词：{words}。",
    estimated="以上词语为估算结果，并非逐词实测。",
    word="“{word}”",
    without="“{word}”（去掉后下降 {amount}）",
    more_without="“{word}”（去掉后反而上升 {amount}）",
    above="前一位是“{title}”",
    gap="，高出 {gap}。",
    tie="，两者同分，按编号先后排列。",
    no_change="在试过的单项改动中，没有一项足以让本商品超过它。",
    sorted_by="：当前按{fields}排序，与相关性无关。",
    changes={
        "score": "{measure}不低于 {needed}（现为 {now}）",
        "word": "标题里再写上“{name}”（得分{about} {needed}，高于对方的 {against}）",
        "demand": "满足“{name}”（得分 {needed}，高于对方的 {against}）",
        "without": "没有{stage}的影响",
        "identifier": "搜索词里写明了那件商品的型号或编码，而本商品没有",
        "unread": "那件商品的位置由{stage}决定，而本商品未被其读取",
    },
    would="只要{changes}，本商品就会排到它前面。",
    about="约",
    absent="“{query}”的搜索结果中没有“{title}”。",
    fails="不满足条件 {condition}：{found}。",
    no_value="商品没有相应的信息",
    searched="它不在前 {count} 件之内。",
    no_words="商品信息里没有任何一个搜索词。",
    shortfall="{stage}为 {score}，而入围商品最低为 {lowest}。",
    kept_out="单项得分都够，原因可能是总分不足、店铺规则、安全名单，或同款已展示其他规格。",
    cut="另有 {count} 件候选商品因相关概率过低而被略去。",
    refused="店铺不提供该搜索的结果：{reason}",
    bracket="（{text}）",
    colon="：",
    plus="，",
    minus="，",
    listed="、",
    apart="；",
    either="，或者",
    and_="，",
    or_="或",
    stop="。",
    blank="",
    ordinal=str,
)

PHRASES: Mapping[Language, Phrases] = {"en": ENGLISH, "zh": CHINESE}
