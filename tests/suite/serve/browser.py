"""Opens every page in a browser, by day and by night, wide and narrow: BASE AXE TOKEN. Prints what is wrong, a line each."""

import sys

from playwright.sync_api import sync_playwright

BASE, AXE, TOKEN = sys.argv[1:4]
SERIOUS = ("serious", "critical")
# What makes a page wider than the window is named.
WIDE = """() => [...document.querySelectorAll('body *')]
    .filter(e => e.getBoundingClientRect().right > innerWidth + 1 && !e.closest('.scroll, pre, .visually-hidden'))
    .slice(0, 3).map(e => e.outerHTML.slice(0, 80))"""


def links(page):
    hrefs = page.eval_on_selector_all("a[href^='/']", "all => all.map(a => a.getAttribute('href'))")
    return [to for to in hrefs if not to.startswith("/api/")]


def one_of_each(page):
    """The pages of the menu, and one of every kind that they lead to."""
    places, kinds = ["/"], {("", 1, False)}
    for place in places:
        page.goto(BASE + place)
        for to in links(page):
            path, _, query = to.partition("?")
            kind = (path.split("/")[1], path.count("/"), bool(query))
            if kind not in kinds and len(places) < 40:
                kinds.add(kind)
                places.append(to)
    return places + ["/findings?group=owner", "/findings?q=nothing-like-this"]


def look(page, place, width, said):
    page.goto(BASE + place)
    if page.evaluate("document.documentElement.scrollWidth") > width:
        said.append(f"{place} is wider than {width}: {page.evaluate(WIDE)}")
    page.evaluate(AXE_SOURCE)
    for v in page.evaluate("axe.run().then(r => r.violations)"):
        if v["impact"] in SERIOUS:
            said.append(f"{place} at {width}: {v['id']}: {v['nodes'][0]['html'][:160]}")


def by_keyboard(page, said):
    """From the top of a finding's page to its form and through it, with the keyboard alone."""
    page.goto(BASE + "/findings")
    page.goto(BASE + next(to for to in links(page) if to.startswith("/findings/")))
    page.keyboard.press("Tab")
    if page.evaluate("document.activeElement.className") != "skip":
        said.append("the first stop of the keyboard is not the link to the content")
    page.keyboard.press("Enter")
    for _ in range(60):
        page.keyboard.press("Tab")
        if page.evaluate("getComputedStyle(document.activeElement).outlineStyle") == "none":
            said.append(f"no focus to see on {page.evaluate('document.activeElement.outerHTML')[:80]}")
        if page.evaluate("document.activeElement.name") == "until":
            break
    else:
        said.append("the keyboard does not reach the form")
        return
    page.fill("input[name=until]", page.get_attribute("input[name=until]", "max"))
    page.focus("textarea[name=reason]")
    page.keyboard.type("a change is under way")
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    page.wait_for_selector("text=It takes effect with the next run")


def main():
    said = []
    with sync_playwright() as play:
        browser = play.chromium.launch(executable_path="/usr/bin/chromium", args=["--no-sandbox"])
        places = None
        for scheme in ("light", "dark"):
            # 320 is also what 640 is at a zoom of 200 %.
            for width in (1280, 390, 320):
                context = browser.new_context(viewport={"width": width, "height": 800}, color_scheme=scheme)
                page = context.new_page()
                page.on("console", lambda m: said.append(f"console: {m.text}") if m.type in ("error", "warning") else None)
                page.on("pageerror", lambda e: said.append(f"error: {e}"))
                page.on("request", lambda r: None if r.url.startswith((BASE, "data:")) else said.append(f"asks {r.url}"))
                look(page, "/sign-in", width, said)
                page.fill("input[name=token]", TOKEN)
                page.keyboard.press("Enter")
                page.wait_for_url(BASE + "/")
                places = places or one_of_each(page)
                for place in places:
                    look(page, place, width, said)
                paper = page.evaluate("getComputedStyle(document.body).backgroundColor")
                bright = sum(int(n) for n in paper.strip("rgb()").split(",")[:3]) > 384
                if bright != (scheme == "light"):
                    said.append(f"{scheme} is shown on {paper}")
                if (scheme, width) == ("dark", 320):
                    by_keyboard(page, said)
                context.close()
        browser.close()
    print(f"{len(places)} pages")
    print("\n".join(sorted(set(said))))


AXE_SOURCE = open(AXE, encoding="utf-8").read()
main()
