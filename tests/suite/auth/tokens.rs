//! Tokens: how they are asked for with a secret, how long they are kept, and what becomes of one that is not given.

use counterfoil::connect::transport::http::auth::{AuthError, Signing};
use futures_util::future::join_all;
use serde_json::json;

use super::{CANARY, Office, Ready, asked, form, get, issue, now, seconds, token};
use crate::sinks::contract::{Fault, Wire};
use crate::sinks::stub::Reply;

const MANIFEST: &str = "kinds = ['client-credentials']\ntoken_url = '/{tenant}/token'\nscope = 'read all'\n";
const PATH: &str = "/api/tenant%201/token";

/// A client of an office whose first base is `/api/`.
fn client(office: &Office, more: &str) -> Ready {
    let secret = office.stub.secret("secret", CANARY);
    let auth = format!("[client-credentials]\nclient_id = 'app:1'\nclient_secret = '{secret}'\n{more}");
    office.set_up_at(&format!("{}/api/", office.stub.url()), &auth).unwrap()
}

/// What a client asks, as RFC 6749 has it.
const FIELDS: [(&str, &str); 4] = [
    ("grant_type", "client_credentials"),
    ("client_id", "app:1"),
    ("client_secret", CANARY),
    ("scope", "read all"),
];

#[test]
fn a_token_is_had_for_a_secret_in_the_form() {
    let office = Office::new(Wire::Plain, MANIFEST, |request, n| {
        asked(request, PATH, &FIELDS)?;
        match request.headers.contains_key("authorization") {
            true => Err("the secret is sent twice".to_owned()),
            false => issue(n, 3600),
        }
    });
    let ready = client(&office, "");
    assert_eq!(office.authorization(&ready, now()), format!("Bearer {}", token(0)));
    office.content();
    assert_eq!(office.stub.requests(), 1);
}

#[test]
fn a_token_is_had_for_a_secret_in_a_header_and_what_a_site_says_goes_first() {
    let manifest = format!("{MANIFEST}client_secret_in = 'header'\n");
    let office = Office::new(Wire::Plain, &manifest, |request, n| {
        asked(request, "/own/token", &[("grant_type", "client_credentials"), ("scope", "less")])?;
        // base64 of "app%3A1:s3cr3t%2Bcanary%2Fof%3D91%26more".
        let expected = "Basic YXBwJTNBMTpzM2NyM3QlMkJjYW5hcnklMkZvZiUzRDkxJTI2bW9yZQ==";
        match request.header("authorization") {
            header if header == expected => issue(n, 3600),
            other => Err(format!("it is `{other}`")),
        }
    });
    let own = format!("scope = 'less'\ntoken_url = '{}/own/token'", office.stub.url());
    let ready = client(&office, &own);
    assert_eq!(office.authorization(&ready, now()), format!("Bearer {}", token(0)));
    office.content();
    let told =
        "Basic YXBwJTNBMTpzM2NyM3QlMkJjYW5hcnklMkZvZiUzRDkxJTI2bW9yZQ== was s3cr3t%2Bcanary%2Fof%3D91%26more";
    assert_eq!(ready.web.hidden.safe(told, None), "*** was ***");
}

#[test]
fn a_scope_that_nobody_names_is_not_asked_for() {
    let office =
        Office::new(Wire::Plain, "kinds = ['client-credentials']\ntoken_url = '/token'", |request, n| {
            let names: Vec<String> = form(request)?.into_iter().map(|(name, _)| name).collect();
            match names == ["grant_type", "client_id", "client_secret"] {
                true => issue(n, 3600),
                false => Err(format!("{names:?}")),
            }
        });
    let ready = client(&office, "");
    office.sign(&ready, now()).unwrap();
    office.content();
}

#[test]
fn a_token_is_kept_until_a_minute_before_its_end() {
    let office = Office::new(Wire::Plain, MANIFEST, |_, n| issue(n, 3600));
    let ready = client(&office, "");
    for (at, expected) in [(0, 0), (3539, 0), (3540, 1), (3600, 1), (7079, 1), (7080, 2)] {
        let bearer = office.authorization(&ready, now().plus(seconds(at)));
        assert_eq!(bearer, format!("Bearer {}", token(expected)), "after {at} s");
    }
    assert_eq!(office.stub.requests(), 3);
}

#[test]
fn a_token_that_does_not_last_is_kept_for_half_of_its_life_and_one_of_unknown_life_for_good() {
    let office = Office::new(Wire::Plain, MANIFEST, |_, n| issue(n, [20, 0, 0][n]));
    let ready = client(&office, "");
    for (at, expected) in [(0, 0), (9, 0), (10, 1), (10, 2)] {
        let bearer = office.authorization(&ready, now().plus(seconds(at)));
        assert_eq!(bearer, format!("Bearer {}", token(expected)), "after {at} s");
    }
    for life in [json!(null), json!("soon"), json!(-1), json!({})] {
        let office = Office::new(Wire::Plain, MANIFEST, move |_, n| {
            // RFC 6749: the type is read without regard to case; a life that is left out may be anything.
            let mut body = json!({"token_type": "bEARER", "access_token": token(n), "expires_in": life});
            if life.is_object() {
                body.as_object_mut().unwrap().remove("expires_in");
                body.as_object_mut().unwrap().remove("token_type");
            }
            Ok(Reply::of(200, body.to_string()))
        });
        let ready = client(&office, "");
        office.sign(&ready, now()).unwrap();
        let bearer = office.authorization(&ready, now().plus(seconds(400 * 86_400)));
        assert_eq!(bearer, format!("Bearer {}", token(0)));
    }
    let office = Office::new(Wire::Plain, MANIFEST, |_, n| {
        Ok(Reply::of(200, json!({"access_token": token(n), "expires_in": "3599"}).to_string()))
    });
    let ready = client(&office, "");
    for (at, expected) in [(0, 0), (3538, 0), (3539, 1)] {
        let bearer = office.authorization(&ready, now().plus(seconds(at)));
        assert_eq!(bearer, format!("Bearer {}", token(expected)), "after {at} s, in a text");
    }
}

#[test]
fn a_token_that_is_not_accepted_is_renewed_once_for_all_who_had_it() {
    let office = Office::new(Wire::Plain, MANIFEST, |_, n| issue(n, 3600));
    let ready = client(&office, "");
    let (_, one) = office.sign(&ready, now()).unwrap();
    let (_, two) = office.sign(&ready, now()).unwrap();
    assert!(office.renew(&ready, &one));
    assert_eq!(office.authorization(&ready, now()), format!("Bearer {}", token(1)));
    assert!(office.renew(&ready, &two), "it was made with the token that is no more");
    assert_eq!(office.authorization(&ready, now()), format!("Bearer {}", token(1)));
    assert_eq!(office.stub.requests(), 2);
    // What was answered to a request is told without the token it was made with, old or new.
    let told = format!("no such token: {}", token(0));
    assert_eq!(ready.web.hidden.safe(&told, one.secret()), "no such token: ***");
}

#[test]
fn many_requests_at_a_time_ask_for_one_token() {
    let office = Office::new(Wire::Plain, MANIFEST, |_, n| {
        std::thread::sleep(std::time::Duration::from_millis(50));
        issue(n, 3600)
    });
    let ready = client(&office, "");
    let mut requests: Vec<_> = (0..8).map(|_| get("https://api.example.com/")).collect();
    let base = Signing::default();
    let signs = requests.iter_mut().map(|request| ready.auth.sign(request, &base, &ready.web, now()));
    let proofs = office.runtime.block_on(join_all(signs));
    assert!(proofs.iter().all(Result::is_ok), "{proofs:?}");
    let bearer = format!("Bearer {}", token(0));
    assert!(requests.iter().all(|request| request.headers()["authorization"] == bearer.as_str()));
    assert_eq!(office.stub.requests(), 1);
}

#[test]
fn a_refusal_is_told_without_secrets_and_not_asked_for_again() {
    let office = Office::new(Wire::Plain, MANIFEST, |_, _| {
        let body = json!({
            "error": "invalid_client",
            "error_description": format!("no secret {CANARY}\u{202e}\nof s3cr3t%2Bcanary%2Fof%3D91%26more"),
        });
        Ok(Reply::of(401, body.to_string()))
    });
    let ready = client(&office, "");
    let expected = "localhost answered 401: invalid_client: no secret ***\\u{202e}\\nof ***; check `client_id`, \
                    `client_secret` and `scope`";
    assert_eq!(office.refused(&ready), expected);
    assert_eq!(office.refused(&ready), expected);
    assert_eq!(office.stub.requests(), 1, "a client may be locked for asking again and again");
    assert!(!office.renew(&ready, &Default::default()));
}

#[test]
fn every_refusal_says_what_was_answered_and_what_to_do() {
    let secret_kind = json!({"token_type": "DPoP", "access_token": token(0)}).to_string();
    for (status, body, parts) in [
        (400, "{\"error\":\"invalid_scope\"}", ["answered 400: invalid_scope", "`scope`"]),
        (403, "{\"message\":\"no\\u0000 way\"}", ["answered 403: no\\u{0} way", "`client_id`"]),
        (
            400,
            "{\"error\":{\"status\":\"DENIED\",\"message\":\"no\"}}",
            ["answered 400: DENIED: no", "`scope`"],
        ),
        (404, "<html>nobody home</html>", ["answered 404: <html>nobody home</html>", "check `token_url`"]),
        (401, "", ["localhost answered 401;", "`client_secret`"]),
        (302, "", ["answered 302", "a redirect, which is never followed"]),
        (200, "<html>canary: sign in</html>", ["not with a token in JSON", "check `token_url`"]),
        (200, "{\"access_token\":7,\"x\":\"canary\"}", ["not with a token in JSON", "check `token_url`"]),
        (200, "{\"access_token\":\"\"}", ["can stand in no header", "check `token_url`"]),
        (200, "{\"access_token\":\"canary\\r\\nX-Evil: 1\"}", ["can stand in no header", "`token_url`"]),
        (200, "{\"error\":\"bad_client\"}", ["answered 200: bad_client", "`client_id`"]),
        (200, &secret_kind, ["of the type `DPoP`", "without proof of possession"]),
    ] {
        let text = body.to_owned();
        let office = Office::new(Wire::Plain, MANIFEST, move |_, _| {
            let mut reply = Reply::of(status, text.clone());
            reply.headers.push(("location", "https://evil.example.com/".to_owned()));
            Ok(reply)
        });
        let why = office.refused(&client(&office, ""));
        assert!(parts.iter().all(|part| why.contains(part)), "{status} {body}: {why}");
        assert_eq!(office.stub.requests(), 1);
    }
    let office = Office::new(Wire::Plain, MANIFEST, |_, _| Ok(Reply::of(200, "canary".repeat(20_000))));
    let why = office.refused(&client(&office, ""));
    assert_eq!(why, "localhost answered with more than 65536 bytes, which is no token");
}

#[test]
fn what_may_pass_is_worth_another_try_after_the_time_that_was_asked_for() {
    let date = "Mon, 01 Jun 2026 12:01:30 GMT";
    for (status, after, body, rest) in [
        (503, "7", "busy", Some(7)),
        (429, date, "", Some(90)),
        (500, "", "{\"error\":\"server_error\"}", None),
        (400, "", "{\"error\":\"temporarily_unavailable\"}", None),
        (403, "60", "{\"message\":\"too many\"}", Some(60)),
        (408, "soon", "", None),
        (503, "99999999999999999999", "", Some(86_400)),
    ] {
        let office = Office::new(Wire::Plain, MANIFEST, move |_, n| {
            let mut reply = Reply::of(status, body);
            reply.headers.extend((!after.is_empty()).then(|| ("retry-after", after.to_owned())));
            if n == 0 { Ok(reply) } else { issue(n, 3600) }
        });
        let ready = client(&office, "");
        let (why, wait) = office.transient(&ready);
        assert!(why.starts_with(&format!("localhost answered {status}")), "{why}");
        assert_eq!(wait, rest.map(seconds), "{status} {after}");
        assert_eq!(office.authorization(&ready, now()), format!("Bearer {}", token(1)), "another try");
    }
}

#[test]
fn an_answer_that_does_not_come_or_breaks_off_is_worth_another_try() {
    for fault in [Fault::ResetAfterBody, Fault::OkThenReset, Fault::Hang] {
        let office = Office::new(Wire::Plain, MANIFEST, |_, n| issue(n, 3600));
        let ready = client(&office, "");
        office.stub.inject(Some(fault.clone()));
        let (why, wait) = office.transient(&ready);
        assert!(why.starts_with("localhost: ") && wait.is_none(), "{fault:?}: {why}");
        office.stub.inject(None);
        office.sign(&ready, now()).unwrap();
    }
}

#[test]
fn addresses_of_tokens_are_held_to_what_the_connection_allows() {
    let secret = |office: &Office| office.stub.secret("secret", CANARY);
    for (manifest, token_url, part) in [
        ("", "", "`token_url` is missing"),
        ("token_url = '/{nobody}/token'", "", "the setting `nobody` is missing"),
        ("token_url = 'http://login.example.com/{tenant}'", "", "`token_url`: http://"),
        ("token_url = 'https://{tenant}.example.com/'", "", "`token_url`: expected an https:// address"),
        ("token_url = '/token'", "https://169.254.169.254/token", "metadata"),
        ("token_url = '/token'", "https://canary:canary@login.example.com/", "password"),
        ("token_url = '/token'", "https://10.0.0.1/token", "private"),
    ] {
        let office = Office::silent(&format!("kinds = ['client-credentials']\n{manifest}"));
        let own = if token_url.is_empty() { String::new() } else { format!("token_url = '{token_url}'") };
        let auth =
            format!("[client-credentials]\nclient_id = 'a'\nclient_secret = '{}'\n{own}", secret(&office));
        let error = office.set_up_by("https://api.example.com", &auth, &Default::default()).err().unwrap();
        assert!(error.starts_with("[source.http.auth.client-credentials]: "), "{error}");
        assert!(error.contains(part) && !error.contains("canary"), "{error}");
    }
}

#[test]
fn a_name_that_leads_inside_is_not_asked() {
    let office = Office::new(Wire::Plain, MANIFEST, |_, n| issue(n, 3600));
    let secret = office.stub.secret("secret", CANARY);
    let auth = format!("[client-credentials]\nclient_id = 'a'\nclient_secret = '{secret}'");
    let outside = toml::from_str("allow_http = true").unwrap();
    let ready = office.set_up_by(&office.stub.url(), &auth, &outside).unwrap();
    let Err(AuthError::Transient { reason, .. }) = office.sign(&ready, now()) else { panic!() };
    assert!(reason.contains("private address"), "{reason}");
    assert_eq!(office.stub.requests(), 0);
}
