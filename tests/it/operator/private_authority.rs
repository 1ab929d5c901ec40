//! Servers whose certificate is signed by a private authority.

use super::out;
use pylon_tests::process::command;
use pylon_tests::program::Program;
use pylon_tests::stub::Script;
use pylon_tests::tls::TlsProxy;
use serde_json::Value;
use std::fs;
use std::net::SocketAddr;
use tokio::task::block_in_place;

/// Goal: the operator's certificates count beside the built-in ones. Method: a backend and a relay
/// over TLS, without and with their authority in `SSL_CERT_FILE`.
#[tokio::test(flavor = "multi_thread")]
async fn authorities_of_the_machine_are_trusted() {
    let program = Program::new(Script::Echo).await;
    let backend = program.stub.address();
    let relay = program.relay.url().trim_start_matches("ws://").parse().unwrap();
    for (check, server) in [("backend", backend), ("relay", relay)] {
        authority_is_trusted(&program, check, server).await;
    }
}

async fn authority_is_trusted(program: &Program, check: &str, server: SocketAddr) {
    let proxy = TlsProxy::start(server).await;
    let (home, host) = (program.home(), proxy.host());
    let (relay, backend) = match check {
        "relay" => (format!("wss://{host}"), program.stub.url()),
        _ => (program.relay.url().to_owned(), format!("https://{host}")),
    };
    let settings = format!("relays = [\"{relay}\"]\ninference.llama_cpp.url = \"{backend}\"\n");
    fs::write(home.join(".config/pylon/config.toml"), settings).unwrap();
    let authority = home.join("authority.pem");
    fs::write(&authority, proxy.authority()).unwrap();
    let state = |certificates: &std::path::Path| {
        let mut doctor = command(home, &["doctor", "--json"]);
        let output = block_in_place(|| doctor.env("SSL_CERT_FILE", certificates).output()).unwrap();
        let report: Value = serde_json::from_str(&out(&output)).unwrap();
        let rows = report["checks"].as_array().unwrap();
        rows.iter().find(|row| row["check"] == check).unwrap()["state"].clone()
    };
    assert_eq!(state(&home.join("missing.pem")), "broken", "{check}");
    assert_eq!(state(&authority), "ok", "{check}");
}
