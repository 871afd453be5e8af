"""Opens every page that links lead to in headless Chromium, by day and by night, wide and narrow: what a browser complains of
is printed, and so is what a keyboard or a reader of screens would miss.

    browser.py CHROMIUM ADDRESS COOKIE
"""

import sys
from urllib.parse import urlsplit

from playwright.sync_api import sync_playwright

chromium, address, cookie = sys.argv[1:4]
complaints = []

# What must be true of every page, asked in the page itself.
RULES = """() => {
  const wrong = [];
  const named = e => (e.getAttribute('aria-label') || e.textContent || '').trim() || e.labels?.length || e.getAttribute('aria-labelledby');
  if (document.querySelectorAll('h1').length !== 1) wrong.push('not one heading');
  if (!document.documentElement.lang) wrong.push('no language');
  for (const e of document.querySelectorAll('a, button, input:not([type=hidden]), select, textarea'))
    if (!named(e)) wrong.push('no name: ' + e.outerHTML.slice(0, 80));
  for (const e of document.querySelectorAll('svg[role=img]'))
    if (!e.querySelector('title')) wrong.push('a picture without a title');
  for (const e of document.querySelectorAll('thead th')) if (!e.scope) wrong.push('a heading of a column without a scope');
  const ids = [...document.querySelectorAll('[id]')].map(e => e.id);
  if (new Set(ids).size !== ids.length) wrong.push('an id twice: ' + ids.filter((x, i) => ids.indexOf(x) !== i));
  if (document.documentElement.scrollWidth > window.innerWidth) wrong.push('wider than the window by ' + (document.documentElement.scrollWidth - window.innerWidth));
  if (document.querySelector('script, [style], [onclick], iframe')) wrong.push('a script, a style in the page or a frame');
  const light = c => { const [r, g, b] = c.match(/[0-9.]+/g).map(v => { v /= 255; return v <= .03928 ? v / 12.92 : ((v + .055) / 1.055) ** 2.4 }); return .2126 * r + .7152 * g + .0722 * b };
  for (const e of document.querySelectorAll('main p, main td, main th, main dt, main dd, main a, main h1, main h2, main span, button')) {
    if (![...e.childNodes].some(n => n.nodeType === 3 && n.textContent.trim()) || e.closest('.visually-hidden, svg, .off')) continue;
    let box = e, back;
    do { back = getComputedStyle(box).backgroundColor; box = box.parentElement } while (box && /, 0\\)$|transparent/.test(back));
    if (!/^rgb\\(/.test(back)) continue;
    const [a, b] = [light(getComputedStyle(e).color), light(back)].sort((x, y) => y - x);
    if ((a + .05) / (b + .05) < 4.5) wrong.push('hard to read (' + ((a + .05) / (b + .05)).toFixed(1) + '): ' + e.outerHTML.slice(0, 80));
  }
  return [...new Set(wrong)].slice(0, 5);
}"""

with sync_playwright() as play:
    browser = play.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
    seen = 0
    for width, scheme in [(1280, "light"), (1280, "dark"), (320, "light")]:
        context = browser.new_context(viewport={"width": width, "height": 900}, color_scheme=scheme)
        context.add_cookies([{"name": "counterfoil_session", "value": cookie, "url": address}])
        page = context.new_page()
        where = ["/"]
        page.on("console", lambda m: complaints.append(f"{where[0]} {width} {scheme}: {m.type}: {m.text}") if m.type in ("error", "warning") else None)
        page.on("pageerror", lambda e: complaints.append(f"{where[0]}: {e}"))
        page.on("request", lambda r: complaints.append(f"{where[0]}: asks {r.url}") if not r.url.startswith((address, "data:")) else None)
        todo, done = ["/"], set()
        while todo and len(done) < 60:
            path = todo.pop(0)
            # One of a kind is enough: the pages differ by what they are, not by every filter.
            kind = (urlsplit(path).path, tuple(sorted(p.split("=")[0] for p in urlsplit(path).query.split("&"))))
            if kind in done or path.startswith("/assets/"):
                continue
            done.add(kind)
            where[0] = path
            answer = page.goto(address + path)
            if answer.status != 200:
                complaints.append(f"{path}: {answer.status}")
                continue
            seen += 1
            complaints += [f"{path} {width} {scheme}: {wrong}" for wrong in page.evaluate(RULES)]
            links = page.eval_on_selector_all("a[href^='/']", "all => all.map(a => a.getAttribute('href'))")
            todo += [link for link in links if link not in todo]
        context.close()

    # With nothing but the keyboard: past the menu, to the form, and a finding is accepted.
    context = browser.new_context(viewport={"width": 1280, "height": 900})
    context.add_cookies([{"name": "counterfoil_session", "value": cookie, "url": address}])
    page = context.new_page()
    page.goto(address + "/findings")
    page.keyboard.press("Tab")
    if page.evaluate("document.activeElement.className") != "skip":
        complaints.append("the first stop of the keyboard does not lead past the menu")
    page.goto(address + page.eval_on_selector("table.findings tbody th a", "a => a.getAttribute('href')"))
    for _ in range(60):
        page.keyboard.press("Tab")
        if page.evaluate("document.activeElement.name") == "until":
            break
    page.keyboard.type("06102026")
    for _ in range(6):
        if page.evaluate("document.activeElement.name") == "reason":
            break
        page.keyboard.press("Tab")
    page.keyboard.type("a change is under way")
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    page.wait_for_load_state()
    if "a change is under way" not in page.inner_text("main") or "/findings/" not in page.url:
        complaints.append("a keyboard alone does not get an exception given: " + page.inner_text("main")[:300])
    browser.close()

print(f"{seen} pages")
for complaint in dict.fromkeys(complaints):
    print("complaint:", complaint)
