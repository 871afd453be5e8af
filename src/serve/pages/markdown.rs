//! The little Markdown in which the pages of checks are written: headings, paragraphs, lists, fenced code, `code` and **bold**.
//! Whatever else stands there is shown as it stands.

use super::html::{Html, put};

/// What is open and has an end to be written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Block {
    None,
    Paragraph,
    Bullets,
    Numbers,
    Code,
}

/// Adds the page of a check; its first heading, which is its name, is left out.
pub(super) fn show(text: &str, page: &mut Html) {
    let mut block = Block::None;
    for line in text.lines() {
        let trimmed = line.trim();
        if block == Block::Code {
            if trimmed == "```" {
                turn(&mut block, Block::None, page);
            } else {
                put!(page; (line) "\n");
            }
            continue;
        }
        let number =
            trimmed.split_once(". ").filter(|(n, _)| !n.is_empty() && n.bytes().all(|b| b.is_ascii_digit()));
        if trimmed.starts_with("```") {
            turn(&mut block, Block::None, page);
            turn(&mut block, Block::Code, page);
        } else if trimmed.is_empty() {
            turn(&mut block, Block::None, page);
        } else if let Some(heading) = trimmed.strip_prefix("## ") {
            turn(&mut block, Block::None, page);
            put!(page; "<h2>");
            inline(heading, page);
            put!(page; "</h2>\n");
        } else if trimmed.starts_with("# ") {
            turn(&mut block, Block::None, page);
        } else if let Some(item) = trimmed.strip_prefix("- ") {
            turn(&mut block, Block::Bullets, page);
            page.raw("<li>");
            inline(item, page);
        } else if let Some((_, item)) = number {
            turn(&mut block, Block::Numbers, page);
            page.raw("<li>");
            inline(item, page);
        } else {
            // A line that goes on with an item, or with a paragraph.
            if block == Block::None {
                turn(&mut block, Block::Paragraph, page);
            } else {
                page.raw("\n");
            }
            inline(trimmed, page);
        }
    }
    turn(&mut block, Block::None, page);
}

/// Ends what is open and begins the next, where it is another.
fn turn(block: &mut Block, next: Block, page: &mut Html) {
    if *block == next {
        return;
    }
    page.raw(match block {
        Block::None => "",
        Block::Paragraph => "</p>\n",
        Block::Bullets => "</ul>\n",
        Block::Numbers => "</ol>\n",
        Block::Code => "</code></pre>\n",
    });
    page.raw(match next {
        Block::None => "",
        Block::Paragraph => "<p>",
        Block::Bullets => "<ul>\n",
        Block::Numbers => "<ol>\n",
        Block::Code => "<pre tabindex=\"0\"><code>",
    });
    *block = next;
}

/// `code` and **bold** in a line; a mark without its other half is shown.
fn inline(line: &str, page: &mut Html) {
    let mut rest = line;
    loop {
        let code = rest.find('`').map(|at| (at, "`"));
        let bold = rest.find("**").map(|at| (at, "**"));
        let Some((at, mark)) = [code, bold].into_iter().flatten().min() else { break };
        let (before, after) = rest.split_at(at);
        let Some((inside, after)) = after.strip_prefix(mark).and_then(|after| after.split_once(mark)) else {
            break;
        };
        put!(page; (before));
        if mark == "`" {
            put!(page; "<code>" (inside) "</code>");
        } else {
            put!(page; "<strong>" (inside) "</strong>");
        }
        rest = after;
    }
    put!(page; (rest));
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::judge::checks;

    fn shown(text: &str) -> String {
        let mut page = Html::default();
        show(text, &mut page);
        page.into_text()
    }

    #[test]
    fn what_checks_are_written_in_is_understood() {
        let page = shown(
            "# name\n\nOne `a<b` and **two**\nlines.\n- x\n  y\n- z\n\n1. a\n2. b\n```json\n{\"<\":1}\n```\n→ end `open",
        );
        assert_eq!(
            page,
            "<p>One <code>a&lt;b</code> and <strong>two</strong>\nlines.</p>\n<ul>\n<li>x\ny<li>z</ul>\n<ol>\n<li>a<li>b</ol>\n\
             <pre tabindex=\"0\"><code>{&quot;&lt;&quot;:1}\n</code></pre>\n<p>→ end `open</p>\n"
        );
    }

    #[test]
    fn every_page_of_a_check_is_shown_whole_and_in_balance() {
        for check in checks::all() {
            let page = shown(&check.page());
            for tag in ["p", "ul", "ol", "pre", "code", "strong", "h2"] {
                let opened =
                    page.matches(&format!("<{tag}>")).count() + page.matches(&format!("<{tag} ")).count();
                assert_eq!(opened, page.matches(&format!("</{tag}>")).count(), "{tag} in {}", check.name);
            }
            assert!(page.contains("<h2>What it does</h2>") && !page.contains("**"), "{}", check.name);
        }
    }
}
