//! Writing a page: markup is written as it is, every text is escaped, and tables are built of cells.

use crate::model::Instant;
use crate::model::finding::Severity;
use crate::report::html::push_text;
use crate::report::text::grouped;

/// A page in the making.
#[derive(Default)]
pub(super) struct Page(String);

/// What a cell holds.
pub(super) enum Cell<'a> {
    /// A text.
    Text(&'a str),
    /// A text in many words.
    Wide(String),
    /// A number.
    Number(u64),
    /// An instant.
    Time(Option<Instant>),
    /// A hash or an id.
    Code(&'a str),
    /// A severity.
    Severity(Severity),
    /// A word with a class that gives it its colour.
    Word(&'static str, &'static str),
    /// Ids of findings, each with whether the page lists it.
    Findings(Vec<(&'a str, bool)>, u64),
}

impl Page {
    pub(super) fn finish(self) -> String {
        self.0
    }

    /// Appends markup.
    pub(super) fn raw(&mut self, markup: &str) -> &mut Self {
        self.0.push_str(markup);
        self
    }

    /// Appends a text.
    pub(super) fn text(&mut self, text: &str) -> &mut Self {
        push_text(text, &mut self.0);
        self
    }

    /// Appends a number with its thousands grouped.
    pub(super) fn number(&mut self, n: u64) -> &mut Self {
        self.raw(&grouped(n))
    }

    /// A paragraph.
    pub(super) fn p(&mut self, text: &str) -> &mut Self {
        self.raw("<p>").text(text).raw("</p>\n")
    }

    /// A paragraph that is less important.
    pub(super) fn aside(&mut self, text: &str) -> &mut Self {
        self.raw("<p class=\"soft\">").text(text).raw("</p>\n")
    }

    /// A part of the page.
    pub(super) fn section(&mut self, id: &str, title: &str, new_page: bool) -> &mut Self {
        let class = if new_page { " class=\"page\"" } else { "" };
        self.raw(&format!("<section id=\"{id}\"{class} aria-labelledby=\"{id}-h\">\n<h2 id=\"{id}-h\">"))
            .text(title)
            .raw("</h2>\n")
    }

    pub(super) fn h3(&mut self, title: &str) -> &mut Self {
        self.raw("<h3>").text(title).raw("</h3>\n")
    }

    /// A term and what it is.
    pub(super) fn fact(&mut self, term: &str, cell: Cell<'_>) -> &mut Self {
        self.raw("<dt>").text(term).raw("</dt><dd>");
        self.content(&cell);
        self.raw("</dd>\n")
    }

    /// A number that should be seen first, with what it counts.
    pub(super) fn figure(&mut self, n: &str, what: &str) -> &mut Self {
        self.raw("<li><b>").text(n).raw("</b>").text(what).raw("</li>\n")
    }

    /// Begins a table; a column whose name begins with `#` holds numbers.
    pub(super) fn table(&mut self, columns: &[&str]) -> &mut Self {
        self.raw("<div class=\"scroll\"><table>\n<thead><tr>");
        for column in columns {
            match column.strip_prefix('#') {
                Some(name) => self.raw("<th scope=\"col\" class=\"n\">").text(name),
                None => self.raw("<th scope=\"col\">").text(column),
            };
            self.raw("</th>");
        }
        self.raw("</tr></thead>\n<tbody>\n")
    }

    /// A row of a table, with an id to be found by.
    pub(super) fn row_at(&mut self, id: Option<&str>, cells: &[Cell<'_>]) -> &mut Self {
        match id {
            Some(id) => self.raw("<tr id=\"").text(id).raw("\">"),
            None => self.raw("<tr>"),
        };
        for cell in cells {
            self.raw(match cell {
                Cell::Number(_) => "<td class=\"n\">",
                Cell::Time(_) => "<td class=\"nb\">",
                Cell::Wide(_) => "<td class=\"wide\">",
                _ => "<td>",
            });
            self.content(cell);
            self.raw("</td>");
        }
        self.raw("</tr>\n")
    }

    /// A row of a table.
    pub(super) fn row(&mut self, cells: &[Cell<'_>]) -> &mut Self {
        self.row_at(None, cells)
    }

    /// Ends a table, and says how many rows it leaves out and where they are.
    pub(super) fn end_table(&mut self, more: u64, what: &str) -> &mut Self {
        self.raw("</tbody></table></div>\n");
        if more > 0 {
            self.raw("<p class=\"soft\">").number(more).text(&format!(" more {what}")).raw("</p>\n");
        }
        self
    }

    fn content(&mut self, cell: &Cell<'_>) {
        match cell {
            Cell::Text(text) => self.text(text),
            Cell::Wide(text) => self.text(text),
            Cell::Number(n) => self.number(*n),
            Cell::Time(None) => self.raw("<span class=\"soft\">not known</span>"),
            Cell::Time(Some(t)) => {
                let text = t.text();
                let (date, time) = text.as_str().split_once('T').unwrap_or((text.as_str(), ""));
                let time = time.strip_suffix(":00Z").map_or_else(|| time.to_owned(), |t| format!("{t}Z"));
                self.raw(&format!("<time datetime=\"{t}\">{date} {time}</time>"))
            }
            Cell::Code(text) => self.raw("<code>").text(text).raw("</code>"),
            Cell::Severity(s) => self.raw(&format!("<span class=\"{0}\">{0}</span>", s.as_str())),
            Cell::Word(word, class) => self.raw(&format!("<span class=\"{class}\">{word}</span>")),
            Cell::Findings(ids, more) => {
                for (id, listed) in ids {
                    if *listed {
                        self.raw("<a href=\"#").text(id).raw("\"><code>").text(short(id)).raw("</code></a> ");
                    } else {
                        self.raw("<code>").text(short(id)).raw("</code> ");
                    }
                }
                if *more > 0 {
                    self.raw("and ").number(*more).raw(" more");
                }
                self
            }
        };
    }
}

/// Enough of a finding's id to tell it from others.
pub(super) fn short(id: &str) -> &str {
    id.get(..15).unwrap_or(id)
}
