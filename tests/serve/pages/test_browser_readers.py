"""What a screen reader needs, by the browser's own accessibility tree: names, headings, landmarks, tables."""

from collections import Counter

import pytest

PATHS = (
    "/", "/?q=printer&f.brand=HP&max=x", "/?q=printer&min=99999999", "/compare?q=printer&all=1", "/judge",
    "/judge?judge=rita&queries=printer", "/dashboard", "/rules", "/sign-in",
)  # fmt: skip
NAMED = {
    "textbox", "searchbox", "combobox", "checkbox", "button", "link", "image", "img", "region", "navigation",
    "listbox", "complementary", "progressbar", "DisclosureTriangle",
}  # fmt: skip
DOM = """() => {
  const wrong = [], all = (what, of = document) => [...of.querySelectorAll(what)];
  const levels = all("h1, h2, h3, h4").map(one => +one.tagName[1]);
  levels.forEach((level, i) => { if (level > (levels[i - 1] || 0) + 1) wrong.push(`h${level} too deep`); });
  for (const table of all("table")) {
    const heads = all("thead th[scope=col]", table).length;
    if (!heads) wrong.push("no headers: " + table.innerText.slice(0, 40));
    for (const row of all("tbody tr", table)) {
      if (row.cells.length !== heads) wrong.push("a row of " + row.cells.length + " under " + heads);
      if (!row.querySelector("th[scope=row]")) wrong.push("a row without a header: " + row.innerText.slice(0, 40));
    }
  }
  const ids = all("[id]").map(one => one.id);
  if (new Set(ids).size !== ids.length) wrong.push("an id twice");
  for (const name of ["aria-labelledby", "aria-describedby", "aria-controls", "for"])
    for (const one of all(`[${name}]`))
      for (const id of one.getAttribute(name).split(" ")) if (!document.getElementById(id)) wrong.push(`${name}=${id}`);
  for (const one of all("[tabindex]")) if (one.tabIndex > 0) wrong.push("tabindex " + one.tabIndex);
  if (!document.title || !document.documentElement.lang) wrong.push("no title or language");
  return wrong;
}"""


@pytest.fixture
def judged(served):
    """Something to measure and two raters who agree, so that every table is there."""
    import httpx

    hits = httpx.get(f"{served[0]}/v1/search", params={"q": "usb cable", "k": 4}, timeout=60).json()["hits"]
    body = [
        {"query": "usb cable", "product_id": hit["product"]["id"], "grade": grade, "judge": judge}
        for grade, hit in enumerate(hits)
        for judge in ("pia", "quin")
    ]
    assert httpx.post(f"{served[0]}/v1/judgments", json={"judgments": body}, timeout=60).status_code == 201


def tree(page):
    """Role and name of all that a screen reader meets."""
    found = page.context.new_cdp_session(page).send("Accessibility.getFullAXTree")["nodes"]
    return [
        (node["role"]["value"], node.get("name", {}).get("value", "").strip()) for node in found if not node["ignored"]
    ]


@pytest.mark.parametrize("language", ["en", "zh"])
@pytest.mark.parametrize("path", PATHS)
def test_a_screen_reader_finds_its_way(browse, judged, path, language):
    page = browse(f"{path}{'&' if '?' in path else '?'}lang={language}")
    check(page)


def test_the_pages_of_one_product_too(browse):
    page = browse("/?q=printer")
    page.locator(".why summary").first.click()
    page.locator(".why table").first.wait_for()
    check(page)
    page.goto(page.locator(".why").nth(1).get_attribute("data-from"))
    check(page)
    page.goto(page.locator(".tile h3 a").first.get_attribute("href") if page.locator(".tile").count() else "/")
    page.goto("/?q=printer")
    page.locator(".tile h3 a").first.click()
    page.wait_for_selector("article.product")
    check(page)


def check(page):
    nodes = tree(page)
    roles = Counter(role for role, _ in nodes)
    assert (roles["main"], roles["banner"], roles["navigation"] >= 1) == (1, 1, True)
    assert [role for role, name in nodes if role in NAMED and not name] == []
    navigations = [name for role, name in nodes if role == "navigation"]
    assert len(set(navigations)) == len(navigations)
    assert page.locator("h1").count() == 1
    assert page.locator("h1").inner_text()
    assert page.evaluate(DOM) == []
