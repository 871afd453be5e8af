//! What systemd is told, at a socket that stands in for it.
#![cfg(unix)]

use std::ffi::OsString;
use std::os::unix::net::UnixDatagram;
use std::time::{Duration, Instant};

use counterfoil::notify::Notifier;
use tempfile::TempDir;

/// A notifier in an environment of these variables.
fn notifier(variables: &[(&str, &str)]) -> Notifier {
    let variable = |name: &str| variables.iter().find(|(n, _)| *n == name).map(|(_, v)| OsString::from(v));
    Notifier::new(&variable, 42)
}

fn received(socket: &UnixDatagram) -> String {
    socket.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
    let mut bytes = [0; 2048];
    let length = socket.recv(&mut bytes).unwrap();
    String::from_utf8(bytes[..length].to_vec()).unwrap()
}

#[test]
fn every_message_is_what_systemd_expects() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("notify");
    let socket = UnixDatagram::bind(&path).unwrap();
    let notifier = notifier(&[("NOTIFY_SOCKET", path.to_str().unwrap())]);
    notifier.ready("3 sources, next run at 12:00");
    assert_eq!(received(&socket), "READY=1\nSTATUS=3 sources, next run at 12:00");
    notifier.alive();
    assert_eq!(received(&socket), "WATCHDOG=1");
    notifier.status("pulling jira");
    assert_eq!(received(&socket), "STATUS=pulling jira");
    notifier.stopping("bye");
    assert_eq!(received(&socket), "STOPPING=1\nSTATUS=bye");
    let mut last = 0;
    for _ in 0..2 {
        notifier.reloading();
        let message = received(&socket);
        let time: u64 = message.strip_prefix("RELOADING=1\nMONOTONIC_USEC=").unwrap().parse().unwrap();
        assert!(time > last, "{message}");
        last = time;
    }
    // The clock is the one that starts with the machine, not the one on the wall.
    assert!(last < 1_000_000_000_000_000);
}

#[test]
fn a_status_is_one_line_and_no_other_statement() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("notify");
    let socket = UnixDatagram::bind(&path).unwrap();
    let notifier = notifier(&[("NOTIFY_SOCKET", path.to_str().unwrap())]);
    notifier.status("pulling a\nMAINPID=1\r\u{1b}[2J");
    assert_eq!(received(&socket), "STATUS=pulling a MAINPID=1  [2J");
    notifier.status(&"é".repeat(10_000));
    assert_eq!(received(&socket).chars().count(), "STATUS=".len() + 500);
}

#[cfg(target_os = "linux")]
#[test]
fn a_name_without_a_path_is_reached() {
    use std::os::linux::net::SocketAddrExt;
    let name = format!("counterfoil-test-{}", std::process::id());
    let address = std::os::unix::net::SocketAddr::from_abstract_name(&name).unwrap();
    let socket = UnixDatagram::bind_addr(&address).unwrap();
    notifier(&[("NOTIFY_SOCKET", &format!("@{name}"))]).alive();
    assert_eq!(received(&socket), "WATCHDOG=1");
}

#[test]
fn where_nobody_listens_nothing_happens() {
    let long = format!("/{}", "x".repeat(200));
    for socket in ["", "@", "notify", "vsock:2:1234", "/nonexistent/notify", &long] {
        let notifier = notifier(&[("NOTIFY_SOCKET", socket)]);
        notifier.ready("up");
        notifier.alive();
    }
    notifier(&[]).ready("up");
    Notifier::default().reloading();
}

#[test]
fn a_socket_that_is_full_does_not_hold_up_the_work() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("notify");
    let _socket = UnixDatagram::bind(&path).unwrap();
    let own = UnixDatagram::unbound().unwrap();
    own.set_nonblocking(true).unwrap();
    while own.send_to(&[b'x'; 1000], &path).is_ok() {}
    let notifier = notifier(&[("NOTIFY_SOCKET", path.to_str().unwrap())]);
    let started = Instant::now();
    notifier.alive();
    assert!(started.elapsed() < Duration::from_secs(5));
}

#[test]
fn the_watchdog_is_for_this_process_or_none() {
    let watchdog = |variables: &[(&str, &str)]| notifier(variables).watchdog();
    let half_a_minute = Some(Duration::from_secs(30));
    assert_eq!(watchdog(&[("WATCHDOG_USEC", "30000000")]), half_a_minute);
    assert_eq!(watchdog(&[("WATCHDOG_USEC", "30000000"), ("WATCHDOG_PID", "42")]), half_a_minute);
    for none in [
        &[][..],
        &[("WATCHDOG_USEC", "0")],
        &[("WATCHDOG_USEC", "")],
        &[("WATCHDOG_USEC", "-1")],
        &[("WATCHDOG_USEC", "30s")],
        &[("WATCHDOG_USEC", "30000000"), ("WATCHDOG_PID", "41")],
        &[("WATCHDOG_USEC", "30000000"), ("WATCHDOG_PID", "x")],
        &[("WATCHDOG_PID", "42")],
    ] {
        assert_eq!(watchdog(none), None, "{none:?}");
    }
}
