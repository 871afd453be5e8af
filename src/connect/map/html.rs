//! The text of HTML: tags off, entities resolved, lines kept where the page would break them.

/// Named entities that occur in ticket texts. Others stay as they are written.
const NAMED: &[(&str, &str)] = &[
    ("amp", "&"),
    ("lt", "<"),
    ("gt", ">"),
    ("quot", "\""),
    ("apos", "'"),
    ("nbsp", " "),
    ("ndash", "–"),
    ("mdash", "—"),
    ("hellip", "…"),
    ("lsquo", "‘"),
    ("rsquo", "’"),
    ("ldquo", "“"),
    ("rdquo", "”"),
    ("laquo", "«"),
    ("raquo", "»"),
    ("bull", "•"),
    ("middot", "·"),
    ("euro", "€"),
    ("copy", "©"),
    ("reg", "®"),
    ("trade", "™"),
    ("auml", "ä"),
    ("ouml", "ö"),
    ("uuml", "ü"),
    ("Auml", "Ä"),
    ("Ouml", "Ö"),
    ("Uuml", "Ü"),
    ("szlig", "ß"),
    ("eacute", "é"),
    ("egrave", "è"),
    ("agrave", "à"),
    ("aacute", "á"),
    ("iacute", "í"),
    ("oacute", "ó"),
    ("uacute", "ú"),
    ("ntilde", "ñ"),
    ("ccedil", "ç"),
    ("commat", "@"),
];

/// Elements that begin on a line of their own.
const BLOCKS: &[&str] = &[
    "br",
    "p",
    "div",
    "li",
    "ul",
    "ol",
    "tr",
    "table",
    "h1",
    "h2",
    "h3",
    "h4",
    "h5",
    "h6",
    "blockquote",
    "pre",
    "hr",
];

/// The text of a piece of HTML, blanks collapsed, empty lines dropped.
pub fn text(html: &str) -> String {
    let mut plain = String::with_capacity(html.len());
    let mut rest = html;
    // Set while inside an element whose content is not text.
    let mut silent: Option<&str> = None;
    while let Some(open) = rest.find('<') {
        let (before, tag) = rest.split_at(open);
        if silent.is_none() {
            plain.push_str(before);
        }
        if let Some(comment) = tag.strip_prefix("<!--") {
            rest = comment.find("-->").and_then(|end| comment.get(end + 3..)).unwrap_or_default();
            continue;
        }
        let is_tag = tag.chars().nth(1).is_some_and(|c| c.is_ascii_alphabetic() || c == '/' || c == '!');
        let Some(close) = is_tag.then(|| tag.find('>')).flatten() else {
            if silent.is_none() {
                plain.push('<');
            }
            rest = tag.get(1..).unwrap_or_default();
            if !is_tag {
                continue;
            }
            // A tag that never closes: what follows is text, and no later tag closes either.
            if silent.is_none() {
                plain.push_str(rest);
            }
            rest = "";
            break;
        };
        let inner = tag.get(1..close).unwrap_or_default();
        rest = tag.get(close + 1..).unwrap_or_default();
        let closing = inner.starts_with('/');
        let name = inner.trim_start_matches('/').split(|c: char| !c.is_ascii_alphanumeric()).next();
        let name = name.unwrap_or_default().to_ascii_lowercase();
        match silent {
            Some(element) if closing && name == element => silent = None,
            Some(_) => {}
            None if !closing && name == "script" => silent = Some("script"),
            None if !closing && name == "style" => silent = Some("style"),
            None if BLOCKS.contains(&name.as_str()) => plain.push('\n'),
            None if name == "td" || name == "th" => plain.push(' '),
            None => {}
        }
    }
    if silent.is_none() {
        plain.push_str(rest);
    }
    let resolved = entities(&plain);
    let lines = resolved.lines().map(|line| line.split_whitespace().collect::<Vec<_>>().join(" "));
    lines.filter(|line| !line.is_empty()).collect::<Vec<_>>().join("\n")
}

/// Resolves numeric and named entities; an unknown one stays as it is.
fn entities(text: &str) -> String {
    let mut plain = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(start) = rest.find('&') {
        let (before, entity) = rest.split_at(start);
        plain.push_str(before);
        let end = entity.bytes().take(12).position(|byte| byte == b';');
        let found = end.and_then(|end| resolve(entity.get(1..end)?).map(|text| (text, end)));
        match found {
            Some((character, end)) => {
                plain.push_str(&character);
                rest = entity.get(end + 1..).unwrap_or_default();
            }
            None => {
                plain.push('&');
                rest = entity.get(1..).unwrap_or_default();
            }
        }
    }
    plain.push_str(rest);
    plain
}

fn resolve(name: &str) -> Option<String> {
    if let Some(number) = name.strip_prefix('#') {
        let code = match number.strip_prefix(['x', 'X']) {
            Some(hex) => u32::from_str_radix(hex, 16).ok()?,
            None => number.parse().ok()?,
        };
        return char::from_u32(code).filter(|c| *c != '\0').map(String::from);
    }
    NAMED.iter().find(|(known, _)| *known == name).map(|(_, text)| (*text).to_owned())
}

#[cfg(test)]
mod tests {
    use super::text;

    #[test]
    fn pages_become_lines() {
        assert_eq!(text("<p>Ada&nbsp;L.</p><p>ada&#64;corp.example</p>"), "Ada L.\nada@corp.example");
        assert_eq!(text("<table><tr><td>a</td><td>b</td></tr></table>"), "a b");
        assert_eq!(text("1 < 2 &amp;&amp; 3 > 2"), "1 < 2 && 3 > 2");
        assert_eq!(text("a<script>alert(1)</SCRIPT>b<!-- c -->d"), "abd");
        assert_eq!(text("&bogus; &#xZZ; &"), "&bogus; &#xZZ; &");
        assert_eq!(text("<a href=\"x"), "<a href=\"x");
    }
}
