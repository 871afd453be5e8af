//! A product that answers as it should not, and what is said of it then.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpListener;
use std::path::Path;
use std::sync::{Arc, Mutex};

use serde_json::{Value, json};

use super::{Ask, Doing, Fetched, Site, fetch};
use crate::connect::catalog::Origin;
use crate::connect::{Connector, Manifest, PullError, PullOptions, Settings};
use crate::net::Connection;

/// What is answered to a path and the value of `If-None-Match`: a status, headers, a body.
type Answer = (u16, String, Vec<u8>);

fn ok(body: &Value) -> Answer {
    (200, String::new(), body.to_string().into_bytes())
}

/// A product, the paths it was asked for, and the head of the last request.
struct Product {
    url: String,
    asked: Arc<Mutex<Vec<String>>>,
    head: Arc<Mutex<String>>,
}

impl Product {
    fn of(answer: impl Fn(&str, bool) -> Answer + Send + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let (asked, head) = (Arc::new(Mutex::new(Vec::new())), Arc::new(Mutex::new(String::new())));
        let (told, last) = (Arc::clone(&asked), Arc::clone(&head));
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let mut stream = stream.unwrap();
                let mut lines = BufReader::new(stream.try_clone().unwrap());
                let (mut line, mut all, mut length) = (String::new(), String::new(), 0);
                while lines.read_line(&mut line).unwrap_or(0) > 2 {
                    let lower = line.to_ascii_lowercase();
                    if let Some(value) = lower.strip_prefix("content-length:") {
                        length = value.trim().parse().unwrap();
                    }
                    all.push_str(&line);
                    line.clear();
                }
                let mut body = vec![0; length];
                let _ = lines.read_exact(&mut body);
                let path = all.split(' ').nth(1).unwrap_or_default().to_owned();
                let known = all.to_ascii_lowercase().contains("if-none-match:");
                told.lock().unwrap().push(path.clone());
                *last.lock().unwrap() = all;
                let (status, headers, body) = answer(&path, known);
                let length = body.len();
                let start = format!(
                    "HTTP/1.1 {status} X\r\nContent-Length: {length}\r\nConnection: close\r\n{headers}\r\n"
                );
                let _ = stream.write_all(start.as_bytes()).and_then(|()| stream.write_all(&body));
            }
        });
        Self { url, asked, head }
    }

    fn pull(&self, steps: &str, keep: Option<&Path>, at: &str) -> Result<Fetched, PullError> {
        let text = format!(
            "name = \"sample\"\ntitle = \"Sample\"\nsummary = \"Example\"\nprovides = [\"identity\"]\nmap = \"records\"\n[http]\nbases.main = {{}}\nauth.kinds = [\"none\"]\n{steps}"
        );
        let manifest = Manifest::parse(&text, "manifest.toml").unwrap();
        let settings = Settings::parse(&manifest, []).unwrap();
        let connector = Connector { manifest, map: None, page: String::new(), origin: Origin::BuiltIn };
        let options = PullOptions {
            source: "sample".to_owned(),
            taken_at: at.to_owned(),
            skip_bad_rows: false,
            worker: None,
        };
        let ask = Ask {
            connector: &connector,
            settings: &settings,
            options: &options,
            folder: Path::new(""),
            keep,
            watch: &|_: &Doing<'_>| false,
        };
        let connection = Connection { allow_private: true, ..Connection::default() };
        let site = Site { url: Some(self.url.clone()), connection, swift: true, ..Site::default() };
        fetch(&ask, &site)
    }

    fn asked(&self) -> Vec<String> {
        std::mem::take(&mut *self.asked.lock().unwrap())
    }
}

fn rows(fetched: &Fetched, step: &str) -> Vec<Value> {
    let batch = fetched.batches.iter().find(|batch| batch.shape == step).unwrap();
    batch.read().unwrap().map(|row| row.unwrap().unwrap()).collect()
}

fn whole(fetched: &Fetched) -> Vec<&str> {
    let names = fetched.batches[0].head["_whole"].as_array().unwrap();
    names.iter().filter_map(Value::as_str).collect()
}

const NOON: &str = "2026-06-01T12:00:00Z";
const LATER: &str = "2026-06-01T13:00:00Z";

#[test]
fn an_answer_without_rows_is_not_whole_where_it_is_no_answer() {
    let steps = "[[http.step]]\nname = \"r\"\npath = \"/r\"\nrows = \"/value\"\n";
    for (answer, part) in [
        (ok(&json!({"error": {"code": "no\u{1b}"}})), "is an error"),
        (ok(&json!(["a"])), "expected an object"),
        (ok(&json!("a")), "expected an object"),
        (ok(&json!(null)), "expected an object"),
        ((202, String::new(), b"{}".to_vec()), "202"),
        ((200, String::new(), b"oops".to_vec()), "starts `oops`"),
    ] {
        let said = answer.clone();
        let got = Product::of(move |_, _| said.clone()).pull(steps, None, NOON).unwrap();
        assert!(got.reasons.len() == 1 && got.reasons[0].contains(part), "{part}: {:?}", got.reasons);
        assert!(!got.reasons[0].contains('\u{1b}') && whole(&got).is_empty(), "{:?}", got.reasons);
    }
    for fine in [json!({}), json!({"value": []}), json!({"value": [], "error": "x"}), json!({"error": null})]
    {
        let got = Product::of(move |_, _| ok(&fine)).pull(steps, None, NOON).unwrap();
        assert_eq!(got.reasons, [""; 0]);
        assert_eq!(whole(&got), ["r"]);
    }
}

#[test]
fn words_of_a_refusal_say_more_than_its_status() {
    let steps = "limits = { codes = [\"Slow\"], unauthorised = [\"Expired\"], denied = [\"Denied\"] }\n[[http.step]]\nname = \"r\"\npath = \"/r\"\nrows = \"\"\npermission = \"r:List\"\n[[http.step]]\nname = \"s\"\npath = \"/s\"\nrows = \"\"\n";
    // The status, the body, what is said, and how often it was asked for the rows of the first step, and of the second.
    for (status, body, part, asked) in [
        (
            400,
            "{\"__type\":\"a#Denied\"}",
            "r: denied: 400: {\"__type\":\"a#Denied\"} (needed: r:List)",
            (1, 1),
        ),
        (400, "Expired", "r: the product does not accept who asks: 400: Expired (needed: r:List)", (1, 0)),
        (404, "Denied, for it is Expired", "r: the product does not accept who asks: 404", (1, 0)),
        (401, "Denied", "r: denied: 401: Denied (needed: r:List)", (1, 1)),
        (400, "Slow, and so Expired and Denied", "r: it is asked too much", (31, 0)),
        (400, "NotDenied_at_all", "r: answered 400: NotDenied_at_all", (1, 1)),
        (500, "Denied", "r: answered 500: Denied", (6, 0)),
        (200, "\"Denied\"", "r: ", (1, 1)),
    ] {
        let product = Product::of(move |path, _| match path {
            "/r" => (status, String::new(), body.as_bytes().to_vec()),
            _ => ok(&json!([])),
        });
        let said = match product.pull(steps, None, NOON) {
            Ok(got) => got.reasons.join("; "),
            Err(e) => e.to_string(),
        };
        assert!(said.contains(part), "{status} {body}: {said}");
        let all = product.asked();
        let times = |path: &str| all.iter().filter(|asked| *asked == path).count();
        assert_eq!((times("/r"), times("/s")), asked, "{status} {body}");
    }
}

#[test]
fn fewer_rows_than_there_always_are_is_not_all() {
    let step = |name: &str, more: &str| {
        format!("[[http.step]]\nname = \"{name}\"\npath = \"/{name}\"\nrows = \"/value\"\n{more}")
    };
    let each = "for_each = \"p\"\nat_least = 3\nnothing = [404]\n";
    let steps = format!("{}{}", step("p", "at_least = 1\n"), step("c", each));
    for (parents, kids, wanted) in [
        (
            0,
            0,
            vec![
                "p: 0 rows came, and there is always at least 1: is this the right address, and may who asks see all of it?",
            ],
        ),
        (
            2,
            1,
            vec![
                "c: 2 rows came, and there are always at least 3: is this the right address, and may who asks see all of it?",
            ],
        ),
        (
            2,
            0,
            vec![
                "c: 0 rows came, and there are always at least 3: is this the right address, and may who asks see all of it?",
            ],
        ),
        (3, 1, vec![]),
        (1, 3, vec![]),
    ] {
        let product = Product::of(move |path, _| match path {
            "/p" => ok(&json!({"value": (0..parents).map(|id| json!({"id": id})).collect::<Vec<_>>()})),
            _ if kids == 0 => (404, String::new(), Vec::new()),
            _ => ok(&json!({"value": vec![json!({}); kids]})),
        });
        let got = product.pull(&steps, None, NOON).unwrap();
        assert_eq!(got.reasons, wanted, "{parents} {kids}");
        // Of nobody nothing was asked, and so nothing is missing.
        let incomplete = |name: &str| wanted.iter().any(|reason| reason.starts_with(name));
        let known = ["p", "c"].into_iter().filter(|name| !incomplete(name) && parents > 0);
        assert_eq!(whole(&got), known.collect::<Vec<_>>(), "{parents} {kids}");
    }
    let denied = Product::of(|path, _| match path {
        "/p" => ok(&json!({"value": [{}]})),
        _ => (403, String::new(), Vec::new()),
    });
    let got = denied.pull(&steps, None, NOON).unwrap();
    assert!(got.reasons.len() == 1 && got.reasons[0].contains("denied"), "that says it: {:?}", got.reasons);
}

#[test]
fn what_may_hide_rows_is_not_taken() {
    let steps = "[[http.step]]\nname = \"r\"\npath = \"/r\"\nrows = \"/value\"\n";
    for (status, body, part) in [
        (
            200,
            r#"{"value":[1],"value":[]}"#,
            "the answer cannot be taken: the key `value` appears twice in one object",
        ),
        (200, r#"{"value":[{"id":"a","id":"b"}]}"#, "the key `id` appears twice"),
        (206, r#"{"value":[1]}"#, "answered 206, which is a part"),
    ] {
        let product = Product::of(move |_, _| (status, String::new(), body.as_bytes().to_vec()));
        let said = match product.pull(steps, None, NOON) {
            Ok(got) => got.reasons.join("; "),
            Err(e) => e.to_string(),
        };
        assert!(said.contains(part), "{body}: {said}");
    }
    let marked = Product::of(|_, _| (200, String::new(), b"\xef\xbb\xbf{\"value\":[1]}".to_vec()));
    assert_eq!(
        rows(&marked.pull(steps, None, NOON).unwrap(), "r"),
        [json!(1)],
        "a byte order mark hides nothing"
    );
}

#[test]
fn answers_that_unpack_to_more_than_fits_are_not_read() {
    let step = |format: &str| {
        format!("[[http.step]]\nname = \"r\"\npath = \"/r\"\nrows = \"/value\"\nformat = {format}\n")
    };
    for (format, start, part, end) in [
        ("\"json\"", "{\"value\":[", "{\"\":0},", "0]}"),
        ("\"jsonl\"", "", "{\"\":0}\n", "0"),
        ("\"csv\"", "a\n", "b\n", ""),
        ("{ xml = {} }", "<x>", "<y/>", "</x>"),
    ] {
        for (times, reads) in [(1_000, true), (400_000, false)] {
            let body = format!("{start}{}{end}", part.repeat(times));
            let product = Product::of(move |_, _| (200, String::new(), body.clone().into_bytes()));
            let got = product.pull(&step(format), None, NOON).unwrap();
            assert_eq!(got.reasons.is_empty(), reads, "{format} {times}: {:?}", got.reasons);
            let why = "cannot be taken: it would take more than 16 MiB of memory";
            assert!(reads || got.reasons[0].contains(why), "{:?}", got.reasons);
        }
    }
}

#[test]
fn pages_without_end_below_one_row_come_to_an_end() {
    let page = "rows = \"/value\"\npage = { kind = \"url\", at = \"/next\" }\n";
    let first = "[[http.step]]\nname = \"p\"\npath = \"/p\"\nrows = \"/value\"\n";
    for more in ["", "attach = { as = \"kids\" }\n", "deep = true\n"] {
        let steps = format!(
            "{first}[[http.step]]\nname = \"c\"\npath = \"/c/{{id}}\"\nvalues.id = {{ row = \"/id\" }}\nfor_each = \"p\"\n{more}{page}"
        );
        let count = std::sync::atomic::AtomicU32::new(0);
        let product = Product::of(move |path, _| {
            let number = count.fetch_add(1, std::sync::atomic::Ordering::SeqCst);
            match path {
                "/p" => ok(&json!({"value": [{"id": 1}]})),
                _ => ok(
                    &json!({"value": vec![json!({"id": number}); 5_000], "next": format!("/c/1?{number}")}),
                ),
            }
        });
        let got = product.pull(&steps, None, NOON).unwrap();
        let why = "c: what belongs together is too much: it would take more than 16 MiB of memory";
        assert!(got.reasons.iter().any(|reason| reason.contains(why)), "{more}: {:?}", got.reasons);
        assert!(product.asked().len() < 1000, "{more}");
    }
}

#[test]
fn a_large_refusal_is_not_gone_through() {
    let steps = "limits.denied = [\"Denied\"]\n[[http.step]]\nname = \"r\"\npath = \"/r\"\nrows = \"\"\n";
    let body = |before: usize| format!("{}Denied", " ".repeat(before)).into_bytes();
    for (before, part) in [(0, "denied: 400: Denied"), (1 << 19, "denied: 400"), (1 << 20, "answered 400")] {
        let product = Product::of(move |_, _| (400, String::new(), body(before)));
        let error = product.pull(steps, None, NOON).unwrap_err().to_string();
        assert!(error.contains(part), "{before}: {error}");
    }
}

#[test]
fn what_cannot_be_sent_is_not_tried_again() {
    let steps = "[[http.step]]\nname = \"r\"\npath = \"/r\"\nrows = \"/value\"\npage = { kind = \"token\", at = \"/next\", into = \"after\" }\n";
    let product = Product::of(|_, _| ok(&json!({"value": [1], "next": "x".repeat(1 << 17)})));
    let got = product.pull(steps, None, NOON).unwrap();
    assert!(got.reasons[0].contains("r: it cannot be asked: "), "{:?}", got.reasons);
    assert_eq!((rows(&got, "r").len(), got.requests), (1, 2));
}

#[test]
fn rows_in_other_rows_are_not_counted() {
    for more in ["for_each = \"p\"\nattach = { as = \"kids\" }", "probe_only = true"] {
        let text = format!(
            "name = \"sample\"\ntitle = \"Sample\"\nsummary = \"Example\"\nprovides = [\"identity\"]\nmap = \"records\"\n[http]\nbases.main = {{}}\nauth.kinds = [\"none\"]\n[[http.step]]\nname = \"p\"\npath = \"/p\"\n[[http.step]]\nname = \"c\"\npath = \"/c\"\nat_least = 1\n{more}\n"
        );
        let error = Manifest::parse(&text, "manifest.toml").unwrap_err().to_string();
        assert!(error.contains("step `c`: `at_least` counts rows of its own"), "{more}: {error}");
    }
}

#[test]
fn rows_kept_of_an_earlier_pull_are_there_too() {
    let steps = "[[http.step]]\nname = \"p\"\npath = \"/p\"\nrows = \"/value\"\nat_least = 2\nquery.since = { since = \"rfc3339\" }\nincremental = { kind = \"since\", key = [\"/id\"], at = \"/at\", overlap = \"PT0S\" }\n";
    let folder = tempfile::tempdir().unwrap();
    let product = Product::of(|path, _| {
        let row = |id: u32| json!({"id": id, "at": "2026-06-01T10:00:00Z"});
        ok(&json!({ "value": if path == "/p" { vec![row(1), row(2)] } else { Vec::new() } }))
    });
    assert_eq!(product.pull(steps, Some(folder.path()), NOON).unwrap().reasons, [""; 0]);
    let got = product.pull(steps, Some(folder.path()), LATER).unwrap();
    assert_eq!((rows(&got, "p").len(), got.reasons.len()), (2, 0));
    assert_eq!(product.asked().len(), 2);
}

#[test]
fn nothing_behind_a_page_is_not_the_end() {
    let steps = "[[http.step]]\nname = \"r\"\npath = \"/r\"\nrows = \"/value\"\nnothing = [404]\npage = { kind = \"url\", at = \"/next\" }\n";
    let product = Product::of(|path, _| match path {
        "/r" => ok(&json!({"value": [{"id": 1}], "next": "/r?2"})),
        _ => (404, String::new(), b"{}".to_vec()),
    });
    let got = product.pull(steps, None, NOON).unwrap();
    assert!(got.reasons[0].contains("404"), "{:?}", got.reasons);
    assert_eq!(rows(&got, "r").len(), 1);
    let got = Product::of(|_, _| (404, String::new(), Vec::new())).pull(steps, None, NOON).unwrap();
    assert_eq!(got.reasons, [""; 0], "at first it means that there are none");
}

#[test]
fn a_page_that_follows_an_unchanged_one_is_read() {
    let steps = "[[http.step]]\nname = \"r\"\npath = \"/r\"\nrows = \"\"\nconditional = true\nquery.n = { page_size = 2 }\npage = { kind = \"link\" }\n";
    for says_again in [true, false] {
        let folder = tempfile::tempdir().unwrap();
        let grown = Arc::new(Mutex::new(false));
        let state = Arc::clone(&grown);
        let product = Product::of(move |path, known| {
            let grown = *state.lock().unwrap();
            let next = if grown { "Link: </r?p=2>; rel=\"next\"\r\n" } else { "" };
            match (path, known) {
                ("/r?p=2", _) => ok(&json!([{"id": 3}])),
                (_, true) => (304, if says_again { next.to_owned() } else { String::new() }, Vec::new()),
                _ => (200, format!("ETag: \"a\"\r\n{next}"), b"[{\"id\":1},{\"id\":2}]".to_vec()),
            }
        });
        assert_eq!(rows(&product.pull(steps, Some(folder.path()), NOON).unwrap(), "r").len(), 2);
        *grown.lock().unwrap() = true;
        let got = product.pull(steps, Some(folder.path()), LATER).unwrap();
        assert_eq!((rows(&got, "r").len(), got.reasons.len()), (3, 0), "{says_again}");
    }
}

#[test]
fn rows_of_a_batch_go_where_they_belong_or_are_missed() {
    let steps = "[[http.step]]\nname = \"p\"\npath = \"/p\"\nrows = \"\"\n[[http.step]]\nname = \"c\"\npath = \"/c\"\nrows = \"\"\nfor_each = \"p\"\nbatch = 10\nattach = { as = \"kids\", row = \"/of\", parent = \"/id\" }\nquery.id = { rows = \"/id\" }\n";
    let product = |kids: Value| {
        Product::of(move |path, _| match path {
            "/p" => ok(&json!([{"id": "a"}, {"id": "b"}, {"name": "no id"}])),
            _ => ok(&kids),
        })
    };
    let got = product(json!([{"of": "a"}])).pull(steps, None, NOON).unwrap();
    assert_eq!(got.reasons, [""; 0]);
    assert_eq!(
        rows(&got, "p"),
        [json!({"id": "a", "kids": [{"of": "a"}]}), json!({"id": "b", "kids": []}), json!({"name": "no id"})],
        "of the one without a key nothing is known"
    );
    let got = product(json!([{"of": "A"}, {"of": null}])).pull(steps, None, NOON).unwrap();
    assert!(got.reasons[0].contains("2 rows came that belong to none"), "{:?}", got.reasons);
}

#[test]
fn a_row_without_the_value_asks_for_nothing_rather_than_for_everything() {
    let steps = "[[http.step]]\nname = \"p\"\npath = \"/p\"\nrows = \"\"\n[[http.step]]\nname = \"c\"\npath = \"/c\"\nrows = \"\"\nfor_each = \"p\"\nattach = { as = \"kids\" }\nquery.id = { row = \"/id\" }\n";
    let product = Product::of(|path, _| match path {
        "/p" => ok(&json!([{"id": ""}])),
        _ => ok(&json!([{"of": "everybody"}])),
    });
    let got = product.pull(steps, None, NOON).unwrap();
    assert_eq!(product.asked(), ["/p"]);
    assert_eq!(rows(&got, "p"), [json!({"id": ""})]);
    assert!(got.reasons[0].contains("no `id` to ask for"), "{:?}", got.reasons);
}

#[test]
fn what_hangs_on_a_step_that_was_left_out_is_not_whole() {
    let steps = "[[http.step]]\nname = \"x\"\npath = \"/x\"\nrows = \"\"\n[[http.step]]\nname = \"p\"\npath = \"/p\"\nrows = \"\"\noptional = true\n[[http.step]]\nname = \"c\"\npath = \"/c/{id}\"\nvalues.id = { row = \"/id\" }\nrows = \"\"\nfor_each = \"p\"\n";
    let product = Product::of(|path, _| match path {
        "/p" => (403, String::new(), Vec::new()),
        _ => ok(&json!([])),
    });
    let got = product.pull(steps, None, NOON).unwrap();
    assert_eq!(got.reasons, [""; 0]);
    assert_eq!(whole(&got), ["x"]);
    let denied = Product::of(|_, _| (403, String::new(), Vec::new()));
    let only = "[[http.step]]\nname = \"p\"\npath = \"/p\"\nrows = \"\"\noptional = true\n";
    assert!(denied.pull(only, None, NOON).unwrap_err().to_string().contains("denied"));
}

#[test]
fn a_step_that_is_broken_off_in_the_middle_is_not_whole() {
    let steps = "[[http.step]]\nname = \"p\"\npath = \"/p\"\nrows = \"/value\"\npage = { kind = \"url\", at = \"/next\" }\n[[http.step]]\nname = \"c\"\npath = \"/c/{id}\"\nvalues.id = { row = \"/id\" }\nrows = \"\"\nfor_each = \"p\"\nattach = { as = \"kids\" }\n";
    let product = Product::of(|path, _| match path {
        "/p" => ok(&json!({"value": [{"id": 1}, {"id": 2}], "next": "/p?2"})),
        _ => (401, String::new(), Vec::new()),
    });
    let got = product.pull(steps, None, NOON).unwrap();
    assert!(whole(&got).is_empty(), "{:?}", whole(&got));
    assert!(!got.reasons.is_empty());
    assert_eq!(rows(&got, "p"), [json!({"id": 1}), json!({"id": 2})]);
}

#[test]
fn of_the_newest_only_what_is_new_is_asked_about() {
    let steps = "[[http.step]]\nname = \"p\"\npath = \"/p\"\nrows = \"/value\"\nincremental = { kind = \"since\", key = [\"/id\"], at = \"/at\", overlap = \"PT0S\", newest_first = true }\n[[http.step]]\nname = \"c\"\npath = \"/c/{id}\"\nvalues.id = { row = \"/id\" }\nrows = \"\"\nfor_each = \"p\"\nattach = { as = \"kids\" }\n";
    let folder = tempfile::tempdir().unwrap();
    let later = Arc::new(Mutex::new(false));
    let state = Arc::clone(&later);
    let product = Product::of(move |path, _| {
        let row = |id: u32, at: &str| json!({"id": id, "at": format!("2026-06-01T{at}:00Z")});
        match path {
            "/p" if *state.lock().unwrap() => {
                // One more with an old time that was not there before.
                ok(&json!({"value": [row(3, "12:30"), row(2, "11:00"), row(4, "10:30"), row(1, "10:00")]}))
            }
            "/p" => ok(&json!({"value": [row(9, "11:00"), row(2, "11:00"), row(1, "10:00")]})),
            path => ok(&json!([path])),
        }
    });
    assert_eq!(rows(&product.pull(steps, Some(folder.path()), NOON).unwrap(), "p").len(), 3);
    assert_eq!(product.asked().len(), 4);
    *later.lock().unwrap() = true;
    let got = product.pull(steps, Some(folder.path()), LATER).unwrap();
    let mut asked = product.asked();
    asked.sort();
    assert_eq!(asked, ["/c/2", "/c/3", "/c/4", "/p"], "of equal time may be new");
    let rows = rows(&got, "p");
    assert_eq!(rows.len(), 5);
    assert!(rows.iter().all(|row| row["kids"][0] == format!("/c/{}", row["id"])), "{rows:?}");
}

#[test]
fn a_time_to_come_hides_nothing() {
    let steps = "[[http.step]]\nname = \"p\"\npath = \"/p\"\nrows = \"/value\"\nquery.since = { since = \"rfc3339\" }\nincremental = { kind = \"since\", key = [\"/id\"], at = \"/at\", overlap = \"PT0S\" }\n";
    let folder = tempfile::tempdir().unwrap();
    let product = Product::of(|_, _| ok(&json!({"value": [{"id": 1, "at": "2099-01-01T00:00:00Z"}]})));
    product.pull(steps, Some(folder.path()), NOON).unwrap();
    product.pull(steps, Some(folder.path()), LATER).unwrap();
    assert_eq!(product.asked(), ["/p", "/p?since=2026-06-01T12%3A00%3A00Z"]);
}

#[test]
fn compressed_answers_are_asked_for_and_counted_as_they_unpack() {
    let steps = "[[http.step]]\nname = \"p\"\npath = \"/p\"\nrows = \"/value\"\n";
    let zipped = |size: usize| {
        let mut out = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        let blank = vec![b' '; 1 << 20];
        (0..size).for_each(|_| out.write_all(&blank).unwrap());
        out.write_all(b"{\"value\":[1]}").unwrap();
        (200, "Content-Encoding: gzip\r\n".to_owned(), out.finish().unwrap())
    };
    let product = Product::of(move |_, _| zipped(0));
    assert_eq!(rows(&product.pull(steps, None, NOON).unwrap(), "p"), [json!(1)]);
    assert!(product.head.lock().unwrap().to_ascii_lowercase().contains("accept-encoding: gzip"));
    let bomb = Product::of(move |_, _| zipped(257)).pull(steps, None, NOON).unwrap_err();
    assert!(bomb.to_string().contains("more than 256 MiB"), "{bomb}");
}
