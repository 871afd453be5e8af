//! scratch
use std::io::Write;
use std::path::Path;
fn main() {
    let a: Vec<String> = std::env::args().collect();
    let get = |k: &str| a.iter().position(|x| x == k).map(|i| a[i + 1].clone());
    let config = get("--config")
        .map(|c| counterfoil::config::Config::load(Path::new(&c)).unwrap())
        .unwrap_or_default();
    let now = counterfoil::model::Instant::parse(&get("--now").unwrap()).unwrap();
    let t = std::time::Instant::now();
    let taken = counterfoil::intake::read(
        &[counterfoil::intake::source_of_argument(Path::new(&get("--records").unwrap()))],
        counterfoil::intake::Options { threads: 2, rejects: None, now, progress: &|_| {} },
    )
    .unwrap();
    eprintln!("read {:?}", t.elapsed());
    let s = config.settings();
    let w = counterfoil::judge::World::new(taken.estate, &s);
    eprintln!("world {:?}", t.elapsed());
    let j = counterfoil::judge::judge(&w, &s, now, 2, &|_| {});
    eprintln!("judge {:?} {}", t.elapsed(), j.len());
    let mut out = std::io::BufWriter::new(std::io::stdout());
    for f in j.findings(&()) {
        serde_json::to_writer(&mut out, &f).unwrap();
        out.write_all(b"\n").unwrap();
    }
    eprintln!("write {:?}", t.elapsed());
}
