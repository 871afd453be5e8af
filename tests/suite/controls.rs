//! The framework references: what is built in is sound, a folder replaces and adds, a fault names its place.

use std::path::Path;

use counterfoil::controls::Controls;

/// The names of all checks, from the files that hold them.
fn checks() -> Vec<String> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/judge/checks");
    let mut names: Vec<String> = std::fs::read_dir(folder)
        .unwrap()
        .map(|e| e.unwrap().path())
        .filter(|p| p.extension().is_some_and(|e| e == "rs"))
        .map(|p| p.file_stem().unwrap().to_str().unwrap().replace('_', "-"))
        .filter(|name| name != "mod")
        .collect();
    names.sort();
    names
}

fn load(files: &[(&str, &str)]) -> Result<Controls, String> {
    let folder = tempfile::tempdir().unwrap();
    for (name, text) in files {
        std::fs::write(folder.path().join(name), text).unwrap();
    }
    let names = checks();
    let known: Vec<&str> = names.iter().map(String::as_str).collect();
    Controls::load(folder.path(), &known)
        .map_err(|e| e.to_string().replace(&format!("{}/", folder.path().display()), ""))
}

fn ids(controls: &Controls, check: &str, kind: Option<&str>) -> Vec<String> {
    controls.for_check(check, kind).iter().map(|c| format!("{} {}", c.framework, c.id)).collect()
}

#[test]
fn what_is_built_in_is_sound_and_names_every_check() {
    let names = checks();
    let known: Vec<&str> = names.iter().map(String::as_str).collect();
    let controls = Controls::embedded(&known).unwrap();
    assert!(controls.frameworks().count() >= 7);
    for check in &known {
        let refs = controls.for_check(check, None);
        assert!(refs.is_sorted(), "{check}");
        let frameworks: std::collections::BTreeSet<_> = refs.iter().map(|c| &c.framework).collect();
        assert!(
            frameworks.len() >= 2,
            "{check} speaks to controls of fewer than two frameworks: {frameworks:?}"
        );
    }
    assert_eq!(controls.for_check("no-such-check", None), []);
}

#[test]
fn some_controls_speak_about_some_kinds_of_identity_only() {
    let file = r#"
framework = "own"
title = "Our own"
version = "1"
source = "https://corp.example/standard"
identity_kinds = ["agent"]
[[control]]
id = "B"
title = "for agents, by the file"
checks = ["unused-grant"]
[[control]]
id = "A"
title = "for people"
identity_kinds = ["human"]
checks = ["unused-grant", "self-approval", "unused-grant"]
"#;
    let controls = load(&[("own.toml", file)]).unwrap();
    let own = |kind| {
        ids(&controls, "unused-grant", kind).into_iter().filter(|c| c.starts_with("own")).collect::<Vec<_>>()
    };
    assert_eq!(own(Some("human")), ["own A"]);
    assert_eq!(own(Some("agent")), ["own B"]);
    assert_eq!(own(Some("service")), Vec::<String>::new());
    assert_eq!(own(None), Vec::<String>::new());
    let page: Vec<&str> = controls
        .of("unused-grant")
        .filter(|(f, _)| f.framework == "own")
        .map(|(_, c)| c.id.as_str())
        .collect();
    assert_eq!(page, ["A", "B"]);
}

#[test]
fn a_file_on_disk_takes_the_place_of_its_namesake() {
    let head = "title = \"t\"\nversion = \"1\"\nsource = \"s\"\n";
    let soc2 = format!(
        "framework = \"soc2\"\n{head}[[control]]\nid = \"CC9\"\ntitle = \"t\"\nchecks = [\"self-approval\"]\n"
    );
    let controls = load(&[("soc2.toml", &soc2), ("notes.md", "not read")]).unwrap();
    let soc2: Vec<String> =
        ids(&controls, "self-approval", None).into_iter().filter(|c| c.starts_with("soc2")).collect();
    assert_eq!(soc2, ["soc2 CC9"]);
    assert!(
        ids(&controls, "unused-grant", None).iter().all(|c| !c.starts_with("soc2")),
        "the built-in one is gone"
    );
    assert!(
        ids(&controls, "unused-grant", None).iter().any(|c| c.starts_with("nist-csf-2.0")),
        "the others stay"
    );
}

#[test]
fn a_fault_names_the_file_and_the_line() {
    let file =
        |lines: &str| format!("framework = \"own\"\ntitle = \"t\"\nversion = \"1\"\nsource = \"s\"\n{lines}");
    let control = "[[control]]\nid = \"A\"\ntitle = \"t\"\n";
    for (lines, wanted) in [
        (
            format!("{control}checks = [\n  \"self-approval\",\n  \"unusd-grant\",\n]\n"),
            "own.toml:10: there is no check `unusd-grant`; did you mean `unused-grant`?",
        ),
        (
            format!("{control}checks = [\"colour\"]\n"),
            "own.toml:8: there is no check `colour`; expected one of ",
        ),
        (format!("{control}checks = []\ncolour = 1\n"), "own.toml:9: unknown field `colour`"),
        (
            format!("{control}checks = []\n{control}checks = []\n"),
            "own.toml:10: the control `A` stands twice",
        ),
        ("[[control]]\nid = \" \"\ntitle = \"t\"\nchecks = []\n".into(), "own.toml:6: `id` is empty"),
        ("[[control]]\ntitle = \"t\"\nchecks = []\n".into(), "own.toml:5: missing field `id`"),
        (
            "identity_kinds = [\"robot\"]\n".into(),
            "own.toml:5: there is no kind of identity `robot`; expected one of human",
        ),
        ("[[control]\n".into(), "own.toml:5: "),
    ] {
        let error = load(&[("own.toml", &file(&lines))]).unwrap_err();
        assert!(error.starts_with(wanted), "{error}\nis not\n{wanted}");
    }
    let error = load(&[("other.toml", &file(""))]).unwrap_err();
    assert_eq!(
        error,
        "other.toml:1: the framework `own` stands in a file named `other.toml`, expected `own.toml`"
    );
    let big = format!("{}{}", file(""), "#".repeat(1 << 20));
    assert!(
        load(&[("own.toml", &big)]).unwrap_err().contains("bytes; a file of controls has at most 1048576")
    );
}

#[test]
fn a_folder_that_is_not_there_is_named() {
    let names = checks();
    let known: Vec<&str> = names.iter().map(String::as_str).collect();
    let error = Controls::load(Path::new("/no/such/folder"), &known).unwrap_err().to_string();
    assert!(error.starts_with("/no/such/folder: cannot read the folder of controls: "), "{error}");
}
