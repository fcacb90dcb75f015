//! Our node at a real epmd, and what it does without one.

use std::io::Write;
use std::net::TcpListener;
use std::time::{Duration, Instant};

use node::config::{Config, EpmdMode};
use node::cookie::Cookie;
use node::epmd::{Client, EpmdKind, Family, LocateError, Registration, Server};
use node::error::StartError;
use tests::epmd;

use crate::erl::{eval, eventually, names, releases, start};

fn config(name: &str, mode: EpmdMode, epmd_port: u16) -> Config {
    let name = format!("{name}@localhost").parse().unwrap();
    let mut config = Config::new(name, Cookie::new("epmdtests").unwrap()).unwrap();
    config.epmd = mode;
    config.epmd_port = epmd_port;
    config
}

async fn announce(name: &str, mode: EpmdMode, epmd_port: u16) -> Result<Registration, StartError> {
    Registration::announce(&config(name, mode, epmd_port), 7777).await
}

/// Waits on another thread, so that the tasks under test go on.
async fn until(
    what: &'static str,
    within: Duration,
    done: impl FnMut() -> bool + Send + 'static,
) -> Duration {
    tokio::task::spawn_blocking(move || eventually(what, within, done)).await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_is_known_to_the_epmd_of_every_release_until_it_withdraws() {
    for otp in releases() {
        let port = epmd::free_port().unwrap();
        let _epmd = epmd::start(otp, port).unwrap();
        for (hidden, kind) in [(true, 72), (false, 77)] {
            let mut config = config("rust", EpmdMode::Auto, port);
            config.hidden = hidden;
            let registration = Registration::announce(&config, 7777).await.unwrap();
            assert_eq!(registration.kind(), EpmdKind::External);
            assert!(registration.creation() > 3, "a 32-bit creation: {registration:?}");
            let found = epmd::look_up(port, "rust").unwrap().unwrap();
            assert_eq!((found.port, found.kind, found.versions), (7777, kind, (6, 5)));
            let (text, _) =
                eval(otp, port, &["-name", "q@127.0.0.1"], "net_adm:names('127.0.0.1')");
            assert!(text.contains("{\"rust\",7777}"), "{text}");
            registration.withdraw().await;
            assert_eq!(names(port), [""; 0], "gone when withdraw returns");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_is_registered_again_after_each_restart_of_epmd() {
    for otp in releases() {
        let port = epmd::free_port().unwrap();
        let mut epmd = epmd::start(otp, port).unwrap();
        let registration = announce("rust", EpmdMode::Auto, port).await.unwrap();
        let creation = registration.creation();
        for _ in 0..3 {
            drop(epmd);
            epmd = epmd::start(otp, port).unwrap();
            until("registered again", Duration::from_secs(3), move || names(port) == ["rust"])
                .await;
            assert_eq!(registration.creation(), creation, "it is in our pids");
            assert_eq!(registration.kind(), EpmdKind::External);
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_name_that_another_node_holds_is_an_error_that_names_both() {
    for otp in releases() {
        let port = epmd::free_port().unwrap();
        let _epmd = epmd::start(otp, port).unwrap();
        let _node = start(otp, port, &["-name", "rust@127.0.0.1"]);
        for mode in [EpmdMode::Auto, EpmdMode::External] {
            let error = announce("rust", mode, port).await.unwrap_err();
            assert!(matches!(error, StartError::NameTaken { .. }), "{error:?}");
            let text = error.to_string();
            assert!(text.contains("rust") && text.contains(&format!("127.0.0.1:{port}")), "{text}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_external_epmd_that_is_not_there_is_an_error_that_names_the_port() {
    let port = epmd::free_port().unwrap();
    let error = announce("rust", EpmdMode::External, port).await.unwrap_err();
    assert!(matches!(error, StartError::NoEpmd { .. }), "{error:?}");
    assert!(error.to_string().contains(&port.to_string()), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_embedded_epmd_whose_port_is_taken_is_an_error_that_names_the_address() {
    let port = epmd::free_port().unwrap();
    let _epmd = epmd::start(releases()[0], port).unwrap();
    let error = announce("rust", EpmdMode::Embedded, port).await.unwrap_err();
    assert!(matches!(error, StartError::EpmdPortTaken { .. }), "{error:?}");
    assert!(error.to_string().contains(&format!("0.0.0.0:{port}")), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_port_where_something_else_listens_is_an_error_that_says_so() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let _ = stream.unwrap().write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n");
        }
    });
    for mode in [EpmdMode::Auto, EpmdMode::External] {
        let error = announce("rust", mode, port).await.unwrap_err();
        assert!(matches!(error, StartError::NotEpmd { .. }), "{error:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn without_an_epmd_we_serve_one_that_real_nodes_use() {
    for otp in releases() {
        let port = epmd::free_port().unwrap();
        let registration = announce("rust", EpmdMode::Auto, port).await.unwrap();
        assert_eq!(registration.kind(), EpmdKind::Embedded);
        assert!(registration.creation() > 3);
        let found = epmd::look_up(port, "rust").unwrap().unwrap();
        assert_eq!((found.port, found.kind, found.versions), (7777, 72, (6, 5)));
        let node = start(otp, port, &["-name", "beam@127.0.0.1"]);
        let (text, _) = eval(
            otp,
            port,
            &["-name", "q@127.0.0.1"],
            "erl_epmd:port_please(\"rust\", {127,0,0,1})",
        );
        assert_eq!(text, "{port,7777,6}");
        // And we find them there.
        let client = Client::new(port);
        let address = client.locate("beam", "localhost", Family::V4).await.unwrap();
        assert!(std::net::TcpStream::connect(address).is_ok());
        let missing = client.locate("nobody", "127.0.0.1", Family::V4).await.unwrap_err();
        assert!(matches!(missing, LocateError::NotRegistered { .. }), "{missing:?}");
        drop(node);
        registration.withdraw().await;
        assert!(epmd::names(port).is_err(), "our epmd ends with the node");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn nodes_that_start_at_once_without_an_epmd_share_the_one_that_comes_first() {
    for _ in 0..5 {
        let port = epmd::free_port().unwrap();
        let starting: Vec<_> = (0..8)
            .map(|i| {
                tokio::spawn(async move {
                    announce(&format!("n{i}"), EpmdMode::Auto, port).await.unwrap()
                })
            })
            .collect();
        let mut registrations = Vec::new();
        for task in starting {
            registrations.push(task.await.unwrap());
        }
        let serving = registrations.iter().filter(|one| one.kind() == EpmdKind::Embedded).count();
        assert_eq!(serving, 1);
        assert_eq!(names(port), ["n0", "n1", "n2", "n3", "n4", "n5", "n6", "n7"]);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_name_taken_while_epmd_was_away_is_ours_again_when_it_is_free() {
    let port = epmd::free_port().unwrap();
    let epmd = epmd::start(releases()[0], port).unwrap();
    let registration = announce("rust", EpmdMode::External, port).await.unwrap();
    drop(epmd);
    // Until its attempts are a second apart, so that the usurper below is first.
    tokio::time::sleep(Duration::from_millis(2_500)).await;
    let usurped = Server::bind(port, [127, 0, 0, 1].into()).unwrap();
    let entry =
        node::proto::epmd::Registration::new("rust", 1, node::proto::epmd::NodeType::Normal)
            .unwrap();
    let usurper = usurped.register(entry).unwrap();
    tokio::time::sleep(Duration::from_millis(1_500)).await;
    assert_eq!(epmd::look_up(port, "rust").unwrap().unwrap().port, 1);
    drop(usurper);
    let ours = move || epmd::look_up(port, "rust").unwrap().is_some_and(|found| found.port == 7777);
    until("ours again", Duration::from_secs(3), ours).await;
    registration.withdraw().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_in_mode_auto_serves_epmd_itself_when_none_comes_back() {
    let port = epmd::free_port().unwrap();
    let epmd = epmd::start(releases()[0], port).unwrap();
    let first = announce("first", EpmdMode::Auto, port).await.unwrap();
    let second = announce("second", EpmdMode::Auto, port).await.unwrap();
    let external = announce("external", EpmdMode::External, port).await.unwrap();
    drop(epmd);
    let gone = Instant::now();
    let all = move || epmd::names(port).is_ok() && names(port) == ["external", "first", "second"];
    until("all are registered again", Duration::from_secs(16), all).await;
    assert!(gone.elapsed() > Duration::from_secs(9), "an epmd that restarts finds its port free");
    let kinds = [first.kind(), second.kind()];
    assert!(
        kinds == [EpmdKind::External, EpmdKind::Embedded]
            || kinds == [EpmdKind::Embedded, EpmdKind::External]
    );
    assert_eq!(external.kind(), EpmdKind::External);
}

#[tokio::test(flavor = "multi_thread")]
async fn without_epmd_at_all_every_start_has_a_creation_of_its_own() {
    let port = epmd::free_port().unwrap();
    let first = announce("rust", EpmdMode::None, port).await.unwrap();
    let second = announce("rust", EpmdMode::None, port).await.unwrap();
    assert_eq!(first.kind(), EpmdKind::None);
    assert_ne!(first.creation(), second.creation());
    assert!(epmd::names(port).is_err());
    first.withdraw().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lookup_has_one_deadline() {
    // Its backlog takes the connection, and nobody ever answers.
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let client =
        Client::new(listener.local_addr().unwrap().port()).with_timeout(Duration::from_secs(1));
    let start = Instant::now();
    assert!(client.names([127, 0, 0, 1].into()).await.is_err());
    assert!(client.locate("a", "127.0.0.1", Family::V4).await.is_err());
    assert!(start.elapsed() < Duration::from_secs(3), "{:?}", start.elapsed());
    let unknown = client.locate("a", "no-such-host.invalid", Family::V4).await.unwrap_err();
    assert!(
        matches!(unknown, LocateError::HostUnknown { .. } | LocateError::Epmd(_)),
        "{unknown:?}"
    );
}
