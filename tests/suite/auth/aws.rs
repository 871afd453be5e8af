//! Signatures of AWS: known ones from its documentation, and others that the double works out; and roles.

use counterfoil::connect::transport::http::auth::{AuthError, Signing};
use counterfoil::model::Instant;
use reqwest::{Method, Request, Url};

use super::signature::Expected;
use super::{Office, Ready, asked, get, header, now, seconds};
use crate::sinks::contract::Wire;
use crate::sinks::stub::{self, Reply};

const MANIFEST: &str = "kinds = ['aws']";
/// The keys of the examples in the documentation of AWS.
const ID: &str = "AKIDEXAMPLE";
const SECRET: &str = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY";

/// Keys, and what else a site says.
fn keys(office: &Office, id: &str, secret: &str, more: &str) -> Result<Ready, String> {
    let (id, secret) = (office.stub.secret("id", id), office.stub.secret("secret", secret));
    office.set_up(&format!("[aws]\naccess_key_id = '{id}'\nsecret_access_key = '{secret}'\n{more}"))
}

fn signing<'a>(service: &'a str, region: &'a str) -> Signing<'a> {
    Signing { service: Some(service), region: Some(region) }
}

#[test]
fn signatures_are_those_of_the_documentation() {
    let office = Office::silent(MANIFEST);
    let form = "application/x-www-form-urlencoded; charset=utf-8";
    let list = "Action=ListUsers&Version=2010-05-08";
    let iam = format!("https://iam.amazonaws.com/?{list}");
    // IAM User Guide, "Create a signed AWS API request": a GET, and before 2022 a POST; the suite of tests that AWS
    // publishes for signatures; Amazon S3, "Signature Calculations for the Authorization Header".
    for (time, service, id, secret, (method, url, headers, body), expected) in [
        (
            "2015-08-30T12:36:00Z",
            "iam",
            ID,
            SECRET,
            (Method::GET, iam.as_str(), vec![("content-type", form)], ""),
            "5d672d79c15b13162d9279b0855cfba6789a8edb4c82c400e06b5924a6f2b5d7",
        ),
        (
            "2011-09-09T23:36:00Z",
            "iam",
            ID,
            SECRET,
            (Method::POST, "http://iam.amazonaws.com/", vec![("content-type", form)], list),
            "ced6826de92d2bdeed8f846f0bf508e8559e98e4b0199114b84c54174deb456c",
        ),
        (
            "2015-08-30T12:36:00Z",
            "service",
            ID,
            SECRET,
            (
                Method::GET,
                "https://example.amazonaws.com/?Param-3=Value3&Param=Value2&\u{1234}=Value1",
                vec![],
                "",
            ),
            "371d3713e185cc334048618a97f809c9ffe339c62934c032af5a0e595648fcac",
        ),
        (
            "2013-05-24T00:00:00Z",
            "s3",
            "AKIAIOSFODNN7EXAMPLE",
            "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY",
            (
                Method::GET,
                "https://examplebucket.s3.amazonaws.com/test.txt",
                vec![("range", "bytes=0-9")],
                "",
            ),
            "f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41",
        ),
        (
            "2013-05-24T00:00:00Z",
            "s3",
            "AKIAIOSFODNN7EXAMPLE",
            "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY",
            (Method::GET, "https://examplebucket.s3.amazonaws.com/?max-keys=2&prefix=J", vec![], ""),
            "34b48302e7b5fa45bde8084f4b7868a86f0a534bc59db6670ed5711ef69dc6f7",
        ),
    ] {
        let ready = keys(&office, id, secret, "").unwrap();
        let mut request = Request::new(method, Url::parse(url).unwrap());
        for (name, value) in headers {
            request.headers_mut().insert(name, value.parse().unwrap());
        }
        if !body.is_empty() {
            *request.body_mut() = Some(body.into());
        }
        // Twice, because what is tried again is signed again.
        for at in ["2000-01-01T00:00:00Z", time] {
            let at: Instant = at.parse().unwrap();
            office.sign_for(&ready, &mut request, signing(service, "us-east-1"), at).unwrap();
        }
        let found = header(&request, "authorization");
        assert_eq!(found.rsplit('=').next(), Some(expected), "{url}: {found}");
    }
}

/// What the double expects of a request to a service, made with the keys of the examples.
fn expected<'a>(service: &'a str, region: &'a str) -> Expected<'a> {
    Expected { id: ID, secret: SECRET, session: None, service, region, time: "20260601T120000Z" }
}

#[test]
fn a_signature_covers_the_request_as_it_comes_over_the_wire() {
    let office = Office::new(Wire::Plain, MANIFEST, |request, n| {
        let session = Some("canary/session+token==");
        let expected = match n {
            0..4 => expected("lambda", "eu-central-1"),
            4 => expected("s3", "eu-central-1"),
            _ => Expected { session, ..expected("sso", "eu-central-1") },
        };
        expected.check(request)?;
        let body = std::str::from_utf8(&request.body).unwrap();
        Ok(Reply::of(200, format!("{} {body}", request.path)))
    });
    let session = office.stub.secret("session", "canary/session+token==");
    let plain = keys(&office, ID, SECRET, "").unwrap();
    let temporary = keys(&office, ID, SECRET, &format!("session_token = '{session}'")).unwrap();
    for (ready, service, path, body, expected) in [
        (&plain, "lambda", "/", "", "/ "),
        (
            &plain,
            "lambda",
            "/f/arn:aws:x%3Ay/a b?b=1+2&a=%2B%2f*&c",
            "",
            "/f/arn%3Aaws%3Ax%3Ay/a%20b?b=1%202&a=%2B%2F%2A&c= ",
        ),
        (&plain, "lambda", "/ሴ//x/?marker=", "{\"a\":1}", "/%E1%88%B4//x/?marker= {\"a\":1}"),
        (&plain, "lambda", "/~a_b-c.d", "x", "/~a_b-c.d x"),
        (
            &plain,
            "s3",
            "/a//b:c/%C3%A9?list-type=2&prefix=x/y",
            "",
            "/a//b%3Ac/%C3%A9?list-type=2&prefix=x%2Fy ",
        ),
        (&temporary, "sso", "/instances", "", "/instances "),
    ] {
        let mut request = get(&format!("{}{path}", office.stub.url()));
        request.headers_mut().insert("x-amz-target", "Service.Action".parse().unwrap());
        request.headers_mut().insert("content-type", "application/x-amz-json-1.1".parse().unwrap());
        if !body.is_empty() {
            *request.method_mut() = Method::POST;
            *request.body_mut() = Some(body.into());
        }
        office.sign_for(ready, &mut request, signing(service, "eu-central-1"), now()).unwrap();
        let answer = office
            .runtime
            .block_on(async { ready.web.client.execute(request).await.unwrap().text().await.unwrap() });
        office.content();
        assert_eq!(answer, expected, "{path}");
    }
}

#[test]
fn the_double_sees_a_signature_that_is_not_right() {
    let office = Office::silent(MANIFEST);
    let ready = keys(&office, ID, SECRET, "").unwrap();
    let mut request = get("http://localhost/?a=1");
    office.sign_for(&ready, &mut request, signing("iam", "us-east-1"), now()).unwrap();
    let headers = ["authorization", "x-amz-date"].map(|name| (name.to_owned(), header(&request, name)));
    let host = ("host".to_owned(), "localhost".to_owned());
    let headers = headers.into_iter().chain([host]).collect();
    let good =
        |path: &str| stub::Request { method: "GET".to_owned(), path: path.to_owned(), headers, body: vec![] };
    let mut came = good("/?a=1");
    assert_eq!(expected("iam", "us-east-1").check(&came), Ok(()));
    assert!(expected("iam", "us-west-1").check(&came).is_err());
    assert!(Expected { secret: "other", ..expected("iam", "us-east-1") }.check(&came).is_err());
    came.headers.insert("x-amz-target".to_owned(), "Added.Later".to_owned());
    assert!(expected("iam", "us-east-1").check(&came).is_err());
    came.headers.remove("x-amz-target");
    came.path = "/?a=2".to_owned();
    assert!(expected("iam", "us-east-1").check(&came).is_err());
    came.path = "/?a=1".to_owned();
    came.body = b"x".to_vec();
    assert!(expected("iam", "us-east-1").check(&came).is_err());
}

#[test]
fn a_connector_that_does_not_say_what_to_sign_for_is_at_fault() {
    let office = Office::silent(MANIFEST);
    let ready = keys(&office, ID, SECRET, "").unwrap();
    for (base, part) in [
        (Signing { service: None, region: Some("r") }, "`service`"),
        (Signing { service: Some("s"), region: None }, "`region`"),
    ] {
        let error = office.sign_for(&ready, &mut get("https://a.example.com"), base, now()).unwrap_err();
        assert!(matches!(&error, AuthError::Refused(why) if why.contains(part)), "{error}");
    }
    let broken = keys(&office, "canary\ncanary", SECRET, "").unwrap();
    let error =
        office.sign_for(&broken, &mut get("https://a.example.com"), signing("s", "r"), now()).unwrap_err();
    assert!(error.to_string().contains("the request cannot be signed"), "{error}");
}

const ROLE: &str = "arn:aws:iam::111122223333:role/reader";

/// The keys of a role, as the Security Token Service hands them out.
fn role_keys(n: usize, end: &str) -> String {
    format!(
        "<AssumeRoleResponse xmlns=\"https://sts.amazonaws.com/doc/2011-06-15/\">\n<AssumeRoleResult>\n\
         <AssumedRoleUser><Arn>arn:aws:sts::111122223333:assumed-role/reader/counterfoil</Arn></AssumedRoleUser>\n\
         <Credentials><AccessKeyId>ASIAcanary{n}</AccessKeyId>\n<SecretAccessKey>canary/secret+{n}</SecretAccessKey>\
         <SessionToken>\n canary/session&#x2B;{n}== \n</SessionToken><Expiration>{end}</Expiration></Credentials>\
         </AssumeRoleResult>\n<ResponseMetadata><RequestId>r-1</RequestId></ResponseMetadata></AssumeRoleResponse>"
    )
}

/// A site that takes on a role at this office.
fn role(office: &Office, more: &str) -> Ready {
    let sts = office.stub.url();
    keys(office, ID, SECRET, &format!("role_arn = '{ROLE}'\nsts_url = '{sts}'\n{more}")).unwrap()
}

fn sign_role(office: &Office, ready: &Ready, at: Instant) -> Result<Request, AuthError> {
    let mut request = get("https://iam.amazonaws.com/");
    office.sign_for(ready, &mut request, signing("iam", "eu-west-3"), at).map(|_| request)
}

#[test]
fn a_role_is_taken_on_and_its_keys_renewed_before_they_end() {
    let office = Office::new(Wire::Plain, MANIFEST, |request, n| {
        asked(
            request,
            "/",
            &[
                ("Action", "AssumeRole"),
                ("Version", "2011-06-15"),
                ("RoleArn", ROLE),
                ("RoleSessionName", "counterfoil"),
                ("DurationSeconds", "3600"),
                ("ExternalId", "ours & theirs"),
            ],
        )?;
        let time = ["20260601T120000Z", "20260601T125900Z", "20260601T125900Z"][n];
        // The address of the office says nothing of a region, so it is that of what is asked next.
        Expected { time, ..expected("sts", "eu-west-3") }.check(request)?;
        let end = ["2026-06-01T13:00:00Z", "2026-06-01T13:59:00Z", "soon"][n];
        Ok(Reply::of(200, role_keys(n, end)))
    });
    let ready = role(&office, "external_id = 'ours & theirs'");
    for (at, n) in [(0, 0), (3539, 0), (3540, 1)] {
        let request = sign_role(&office, &ready, now().plus(seconds(at)));
        office.content();
        let request = request.unwrap();
        let start =
            format!("AWS4-HMAC-SHA256 Credential=ASIAcanary{n}/20260601/eu-west-3/iam/aws4_request, ");
        assert!(header(&request, "authorization").starts_with(&start), "after {at} s");
        assert_eq!(header(&request, "x-amz-security-token"), format!("canary/session+{n}=="));
    }
    let mut request = get("https://iam.amazonaws.com/");
    let at = now().plus(seconds(3540));
    let proof = office.sign_for(&ready, &mut request, signing("iam", "eu-west-3"), at).unwrap();
    let session = "canary/session+1== is not of this world, but";
    assert_eq!(ready.web.hidden.safe(session, proof.secret()), "*** is not of this world, but");
    assert!(office.renew(&ready, &proof), "its keys may have been withdrawn");
    sign_role(&office, &ready, at).unwrap();
    assert_eq!(office.stub.requests(), 3);
    office.content();
}

#[test]
fn the_keys_of_a_role_sign_what_is_asked_next() {
    let office = Office::new(Wire::Plain, MANIFEST, |request, n| {
        if n == 0 {
            return Ok(Reply::of(200, role_keys(0, "2026-06-01T13:00:00Z")));
        }
        let session = Some("canary/session+0==");
        let keys = Expected {
            id: "ASIAcanary0",
            secret: "canary/secret+0",
            session,
            ..expected("iam", "us-east-1")
        };
        keys.check(request).map(|()| Reply::of(200, "welcome"))
    });
    let ready = role(&office, "");
    let mut request = get(&format!("{}/?Action=ListUsers", office.stub.url()));
    office.sign_for(&ready, &mut request, signing("iam", "us-east-1"), now()).unwrap();
    let answer =
        office.runtime.block_on(async { ready.web.client.execute(request).await.unwrap().text().await });
    office.content();
    assert_eq!(answer.unwrap(), "welcome");
}

#[test]
fn a_role_that_may_not_be_taken_on_is_told_and_one_too_many_waits() {
    let error = |code: &str, message: &str| {
        format!(
            "<ErrorResponse xmlns=\"https://sts.amazonaws.com/doc/2011-06-15/\"><Error><Type>Sender</Type>\
             <Code>{code}</Code><Message>{message}</Message></Error><RequestId>r-1</RequestId></ErrorResponse>"
        )
    };
    let denied = error("AccessDenied", &format!("User &lt;{ID}&gt; may not: {SECRET}"));
    let busy = error("Throttling", "Rate exceeded");
    for (status, body, expected) in [
        (
            403,
            denied,
            Err("localhost answered 403: AccessDenied: User <***> may not: ***; check `access_key_id`"),
        ),
        (
            200,
            "<canary>".to_owned(),
            Err("localhost answered 200, but not with the keys of a role; check `sts_url`"),
        ),
        (200, role_keys(0, "x").replace("ASIAcanary0", ""), Err("not with the keys of a role")),
        (200, role_keys(0, "x").replace("<Ass", "<!DOCTYPE x><Ass"), Err("not with the keys of a role")),
        (400, busy, Ok("localhost answered 400: Throttling: Rate exceeded")),
        (503, "canary".to_owned(), Ok("localhost answered 503: ")),
    ] {
        let body = body.replace("canary", if status == 503 { "busy" } else { "canary" });
        let office = Office::new(Wire::Plain, MANIFEST, move |_, _| Ok(Reply::of(status, body.clone())));
        match (sign_role(&office, &role(&office, ""), now()), expected) {
            (Err(AuthError::Refused(why)), Err(part)) => assert!(why.contains(part), "{why}"),
            (Err(AuthError::Transient { reason, .. }), Ok(part)) => {
                assert!(reason.starts_with(part), "{reason}")
            }
            (found, expected) => panic!("{found:?}, expected {expected:?}"),
        }
    }
}

#[test]
fn what_a_site_says_of_a_role_is_checked() {
    let office = Office::silent(MANIFEST);
    for (more, part) in [
        ("external_id = 'x'", "go with `role_arn`"),
        ("role_arn = 'reader'", "`role_arn`: expected arn:aws:iam::"),
        ("role_arn = 'arn:aws:iam::1:role/a'\nsts_url = 'https://169.254.169.254/'", "`sts_url`: "),
    ] {
        let error = keys(&office, ID, SECRET, more).err().unwrap();
        assert!(error.contains(part) && !error.contains(SECRET), "{error}");
    }
}
