//! Headers that stay as they are, and what a connector does not take.

use counterfoil::connect::transport::http::auth::Signing;

use super::{CANARY, Office, get, header, now};

#[test]
fn nobody_in_particular_adds_nothing_and_has_nothing_to_renew() {
    let office = Office::silent("kinds = ['none']");
    let ready = office.set_up("").unwrap();
    let (request, proof) = office.sign(&ready, now()).unwrap();
    assert!(request.headers().is_empty());
    assert!(proof.secret().is_none() && ready.auth.secrets().is_empty());
    assert!(!office.renew(&ready, &proof));
}

#[test]
fn a_name_and_a_password_go_as_rfc_7617_writes_them() {
    let office = Office::silent("kinds = ['basic']");
    let secret = office.stub.secret("password", "test\u{a3}123456789canary");
    let ready =
        office.set_up(&format!("[basic]\nuser = 'alice@corp.example'\npassword = '{secret}'")).unwrap();
    // base64 of "alice@corp.example:test£123456789canary", the pound sign in UTF-8.
    let expected = "Basic YWxpY2VAY29ycC5leGFtcGxlOnRlc3TCozEyMzQ1Njc4OWNhbmFyeQ==";
    assert_eq!(office.authorization(&ready, now()), expected);
    let told = format!("who is test\u{a3}123456789canary, that is {expected}?");
    assert_eq!(ready.web.hidden.safe(&told, None), "who is ***, that is ***?");
    let (_, proof) = office.sign(&ready, now()).unwrap();
    assert!(!office.renew(&ready, &proof), "there is no other password");
}

#[test]
fn a_bearer_token_and_a_key_go_where_the_connector_says() {
    let office = Office::silent("kinds = ['bearer', 'key']\nheader = 'X-Api-Key'\nprefix = 'SSWS '");
    let secret = office.stub.secret("secret", CANARY);
    let ready = office.set_up(&format!("[bearer]\ntoken = '{secret}'")).unwrap();
    assert_eq!(office.authorization(&ready, now()), format!("Bearer {CANARY}"));
    let ready = office.set_up(&format!("[key]\nkey = '{secret}'")).unwrap();
    let mut request = get("https://api.example.com/");
    request.headers_mut().insert("x-api-key", "from before".parse().unwrap());
    office.sign_for(&ready, &mut request, Signing::default(), now()).unwrap();
    assert_eq!(header(&request, "x-api-key"), format!("SSWS {CANARY}"));
    assert_eq!(request.headers().len(), 1, "and nowhere else");

    let office = Office::silent("kinds = ['key']");
    let secret = office.stub.secret("secret", CANARY);
    let ready = office.set_up(&format!("[key]\nkey = '{secret}'")).unwrap();
    assert_eq!(office.authorization(&ready, now()), CANARY, "no header and no prefix are named");
}

#[test]
fn what_cannot_be_sent_is_said_without_being_shown() {
    let office = Office::silent("kinds = ['basic', 'bearer', 'key']\nheader = 'a header'");
    let broken = office.stub.secret("broken", "canary\ncanary");
    for (auth, part) in [
        (format!("[bearer]\ntoken = '{broken}'"), "[source.http.auth.bearer]: `token`: a character in it"),
        (
            format!("[basic]\nuser = 'a'\npassword = '{broken}'"),
            "`password`: a password with a control character",
        ),
        (format!("[basic]\nuser = 'a:b'\npassword = '{broken}'"), "`user`: a name with a colon"),
        (format!("[key]\nkey = '{broken}'"), "names the header `a header`"),
        ("[bearer]\ntoken = 'file:nowhere'".to_owned(), "`token`: the secret file:nowhere"),
    ] {
        let error = office.set_up(&auth).err().unwrap();
        assert!(error.contains(part) && !error.contains("canary"), "{error}");
    }
}

#[test]
fn what_a_connector_does_not_take_is_said_with_what_it_takes() {
    let office = Office::silent("kinds = ['basic', 'client-credentials']");
    let error = office.set_up("[bearer]\ntoken = 'env:TOKEN'").err().unwrap();
    let expected = "[source.http.auth.basic] or [source.http.auth.client-credentials]";
    assert_eq!(
        error,
        format!("[source.http.auth.bearer] is nothing that this connector takes; it expects {expected}")
    );
    let error = office.set_up("").err().unwrap();
    assert_eq!(
        error,
        format!("[source.http.auth] does not say who one is; this connector expects {expected}")
    );
    let error = Office::silent("kinds = ['none']").set_up("[bearer]\ntoken = 'env:TOKEN'").err().unwrap();
    assert!(error.ends_with("it expects no [source.http.auth] at all"), "{error}");
}
