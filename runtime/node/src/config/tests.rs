//! Settings are parsed, rejected with a line number, reloaded and explained.

use super::*;
use pylon_adapters::inference::{BackendConfig, llama_cpp};
use pylon_core::slots::GuestConfig;
use std::collections::BTreeMap;

const EXAMPLE: &str = include_str!("../../../../pylon.example.toml");

fn backend(name: &str, url: &str) -> BTreeMap<String, BackendConfig> {
    let config = llama_cpp::Config { url: url.into(), ..llama_cpp::Config::default() };
    BTreeMap::from([(name.to_owned(), BackendConfig::LlamaCpp(config))])
}

/// Goal: the example file is correct. Method: it parses, equals the defaults, and has every key.
#[test]
fn example_equals_the_defaults() {
    assert_eq!(Config::parse(EXAMPLE).unwrap(), Config::default());
    let defaults = Config::default().table();
    let example: toml::Table = toml::from_str(EXAMPLE).unwrap();
    assert_eq!(example, defaults);
    for slot in ["pricing", "routing", "verification", "handler:5050"] {
        assert!(EXAMPLE.contains(slot), "the example mentions `{slot}`");
    }
}

/// Goal: the commented settings of the example are valid, too. Method: uncomment them.
#[test]
fn commented_settings_of_the_example_are_valid() {
    let text: Vec<_> =
        EXAMPLE.lines().map(|line| line.strip_prefix("#: ").unwrap_or(line)).collect();
    let config = Config::parse(&text.join("\n")).unwrap();
    assert!(config.slots.guests.len() >= 2, "{config:?}");
}

/// Goal: the file that `init` writes sets nothing, and its settings are valid. Method: parse it as
/// it is and with every setting uncommented.
#[test]
fn template_sets_nothing() {
    let text = template();
    assert_eq!(Config::parse(&text).unwrap(), Config::default());
    let is_help = |line: &str| line.starts_with("# ") && !line.starts_with("#  ");
    let set: Vec<_> = text
        .lines()
        .map(|line| if is_help(line) { line } else { line.trim_start_matches('#') })
        .collect();
    let mut set = Config::parse(&set.join("\n")).unwrap();
    // The settings that are absent by default.
    set.slots = pylon_slots::Config::default();
    set.inference.price_permille.clear();
    assert_eq!(set, Config::default());
}

/// Goal: a partial file changes only the keys that it has. Method: one key, and a table in each
/// notation.
#[test]
fn partial_file_changes_only_its_keys() {
    let check = |text: &str, change: &dyn Fn(&mut Config)| {
        let mut expected = Config::default();
        change(&mut expected);
        assert_eq!(Config::parse(text).unwrap(), expected, "{text}");
    };
    check("", &|_| ());
    check("# nothing\n", &|_| ());
    check("max_concurrent_jobs = 4", &|config| config.provider.max_concurrent_jobs = 4);
    check("relays = ['ws://127.0.0.1:7777']", &|config| {
        config.market.relays = vec!["ws://127.0.0.1:7777".into()];
    });
    check("default_backend = 'llama_cpp'", &|config| {
        config.inference.default_backend = "llama_cpp".into();
    });
    check("[inference]", &|_| ());
    let url = "https://gpu:9000";
    for text in [
        format!("inference.llama_cpp.url = '{url}'"),
        format!("[inference.llama_cpp]\nurl = '{url}'"),
    ] {
        check(&text, &|config| config.inference.inference = backend("llama_cpp", url));
    }
    // Named backends replace the default one.
    for text in [
        format!("[inference.gpu]\ntype = 'llama_cpp'\nurl = '{url}'"),
        format!("inference = {{ gpu = {{ url = '{url}', type = 'llama_cpp' }} }}"),
    ] {
        check(&text, &|config| config.inference.inference = backend("gpu", url));
    }
    check("[inference.llama_cpp]\ntype = 'llama_cpp'", &|_| ());
    for text in [
        "[guests.pricing]\nsettings = { base-msat = '1000' }",
        "[guests.pricing.settings]\nbase-msat = '1000'",
    ] {
        check(text, &|config| {
            let settings = BTreeMap::from([("base-msat".to_owned(), "1000".to_owned())]);
            let guest = GuestConfig { settings, ..GuestConfig::default() };
            config.slots.guests.insert("pricing".into(), guest);
        });
    }
    check("[network]\nfetch_urls = true\nallow = ['127.0.0.1:8080', '[::1]:443']", &|config| {
        config.network.fetch_urls = true;
        config.network.allow = vec!["127.0.0.1:8080".into(), "[::1]:443".into()];
    });
    check("[guests.\"handler:5050\"]", &|config| {
        config.slots.guests.insert("handler:5050".into(), GuestConfig::default());
    });
}

/// Goal: a reload applies the settings that a running node can change, and keeps the others.
/// Method: change every section at once.
#[test]
fn reload_keeps_settings_that_need_a_restart() {
    let running = Config::default();
    let text = "name = 'n'\nmax_queued_jobs = 1\ndefault_model = 'm'\nguest_drain_seconds = 1\n\
                price_permille.m = 2000\n\
                [inference.llama_cpp]\nurl = 'http://x'\n[journal]\nkeep_text_days = 1\n\
                [network]\nfetch_urls = true\n\
                [lockdown]\nallow_compile = false\nrequire_signature = true\n";
    let key = "01".repeat(32);
    let file = Config::parse(&format!("{text}trusted_publishers = ['{key}']\n")).unwrap();
    let next = running.reloaded(&file);
    assert_eq!(
        running.differences(&next),
        [
            "default_model",
            "guest_drain_seconds",
            "journal.keep_text_days",
            "lockdown.require_signature",
            "lockdown.trusted_publishers",
            "max_queued_jobs",
            "name",
            "price_permille.m",
        ]
    );
    assert_eq!(
        next.differences(&file),
        ["inference.llama_cpp.url", "lockdown.allow_compile", "network.fetch_urls"]
    );
}

#[test]
fn new_backend_becomes_the_default_after_a_restart() {
    let running = Config::default();
    let text = "default_backend = 'gpu'\ndefault_model = 'm'\n\
                [inference.gpu]\ntype = 'llama_cpp'\n[inference.llama_cpp]\n";
    let file = Config::parse(text).unwrap();
    let next = running.reloaded(&file);
    assert!(running.differences(&next).is_empty());
    assert_eq!(
        next.differences(&file),
        [
            "default_backend",
            "default_model",
            "inference.gpu.api_key_env",
            "inference.gpu.api_key_file",
            "inference.gpu.type",
            "inference.gpu.url"
        ]
    );
    let known = Config::parse("default_backend = 'llama_cpp'").unwrap();
    assert_eq!(running.reloaded(&known), known);
}

/// An error is one line with the position and the expected value.
fn check_error(text: &str, expected: &str) {
    let error = Config::parse(text).unwrap_err().to_string();
    assert!(error.contains(expected), "{text:?}: {error}");
    assert!(!error.contains('\n'), "{error}");
}

/// Goal: an unknown key or name is reported with its line and the nearest known one. Method: one
/// error per row.
#[test]
fn unknown_key_is_reported_with_the_nearest_one() {
    check_error("# mine\n\nrelay = []", "3: unknown key `relay`; did you mean `relays`?");
    check_error(
        "max_concurent_jobs = 2",
        "1: unknown key `max_concurent_jobs`; did you mean `max_concurrent_jobs`?",
    );
    check_error(
        "[codex]\nenabled = true",
        "1: `codex` is not supported by this version: remove it",
    );
    check_error("colour = 'red'", "1: unknown key `colour`; expected one of `");
    check_error(
        "[inference.lama_cpp]\nurl = 'http://x'",
        "1: unknown key `lama_cpp` in [inference]; did you mean `llama_cpp`?",
    );
    check_error(
        "[inference.llama_cpp]\nport = 1",
        "2: unknown key `port` in [inference.llama_cpp]; expected one of `url`, `api_key_file`",
    );
    check_error(
        "[inference.gpu]\nurl = 'http://x'",
        "1: [inference.gpu] needs a `type`; expected `llama_cpp`",
    );
    check_error(
        "[inference.gpu]\nurl = 'http://x'\ntype = 'lama_cpp'",
        "3: `type` is `lama_cpp`; did you mean `llama_cpp`?",
    );
    check_error("[inference.gpu]\ntype = 1", "2: `type` is not a string; expected `llama_cpp`");
    check_error(
        "[inference.gpu]\ntype = 'llama_cpp'\nport = 1",
        "3: unknown key `port` in [inference.gpu]; expected one of `url`, `api_key_file`",
    );
    check_error(
        "default_backend = 'llama_cpp'\n[inference.gpu]\ntype = 'llama_cpp'",
        "1: `default_backend`: no backend `llama_cpp`; expected `gpu`",
    );
    check_error("[inference]\ngpu = 1", "2: `gpu` in [inference] is not a table");
    check_error(
        "[guests.pricing]\nsetting = {}",
        "2: unknown key `setting` in [guests.pricing]; did you mean `settings`?",
    );
    check_error(
        "[guests.pricing]\nsource = 'market_prising'",
        "2: `source`: no shipped guest is named `market_prising`; did you mean `market_pricing`?",
    );
    check_error(
        "[guests.pricing]\nsource = './mine.wasm'",
        "2: `source`: `./mine.wasm`: the path must be absolute: begin it with /",
    );
    check_error(
        "[guests]\n\"pricing:5050\" = { sauce = '' }",
        "2: unknown key `sauce` in [guests.\"pricing:5050\"]; did you mean `source`?",
    );
    check_error("[guests.princing]", "1: `princing` is not a slot; did you mean `pricing`?");
    check_error("\n[guests.handler]", "2: `handler` is not a slot; did you mean `handler:5050`?");
    check_error(
        "[guests.\"handler:50\"]",
        "1: `handler:50` is not a slot; did you mean `handler:5050`?",
    );
    check_error("[guests.\"handler:6050\"]", "1: `handler:6050` is not a slot");
    check_error(
        "[guests.\"pricng:5932\"]",
        "1: `pricng:5932` is not a slot; did you mean `pricing:5932`?",
    );
    check_error(
        "[guests.\"handler:05050\"]",
        "1: `handler:05050` is not a slot; did you mean `handler:5050`?",
    );
    check_error(
        "[lockdown]\nmax_grants.\"pricing:+5050\" = []",
        "2: `max_grants`: write `pricing:5050`, not `pricing:+5050`",
    );
    check_error("[guests.zzz]", "1: `zzz` is not a slot; expected ");
    check_error(
        "default_backend = 'lama_cpp'",
        "1: `default_backend`: no backend `lama_cpp`; did you mean `llama_cpp`?",
    );
}

/// Goal: a value of a wrong type is reported with the expected type. Method: one error per row.
#[test]
fn value_of_a_wrong_type_is_reported() {
    check_error(
        "max_queued_jobs = 'many'",
        "1: invalid type: string \"many\", expected a whole number",
    );
    check_error(
        "max_queued_jobs = 1.5",
        "1: invalid type: floating point `1.5`, expected a whole number",
    );
    check_error("max_queued_jobs = -1", "1: out of range: integer `-1`, expected a whole number");
    check_error(
        "max_queued_jobs = 5000000000",
        "1: out of range: integer `5000000000`, expected a whole number",
    );
    check_error(
        "\nrelays = 'wss://nos.lol'",
        "2: invalid type: string \"wss://nos.lol\", expected a list such as [\"…\"]",
    );
    check_error("relays = [\n  7\n]", "2: invalid type: integer `7`, expected a string");
    check_error("inference = 1", "1: invalid type: integer `1`, expected a table");
    check_error("guests = 1", "1: invalid type: integer `1`, expected a table");
    for (text, table) in [("journal = 1", 1), ("lockdown = 1", 1), ("[guests]\npricing = 1", 2)] {
        let error = Config::parse(text).unwrap_err().to_string();
        assert_eq!(error, format!("{table}: invalid type: integer `1`, expected a table"));
    }
    check_error(
        "[guests.pricing]\nlimits = { fuel = -1 }",
        "2: out of range: integer `-1`, expected a whole number",
    );
    check_error(
        "[guests.pricing]\nsettings = { base-msat = 1000 }",
        "2: invalid type: integer `1000`, expected a string",
    );
}

/// Goal: an invalid value is reported with the allowed ones. Method: one error per row.
#[test]
fn invalid_value_is_reported() {
    check_error(&format!("name = '{}'", "n".repeat(65)), "1: `name` is 65 bytes long: at most 64");
    check_error(
        &format!("description = '{}'", "d".repeat(1025)),
        "1: `description` is 1025 bytes long: at most 1024",
    );
    check_error("relays = []", "1: `relays` is empty");
    check_error(
        "\nrelays = ['https://nos.lol']",
        "2: `relays`: `https://nos.lol` is not a ws:// or wss:// address",
    );
    check_error("relays = ['nos.lol']", "1: `relays`: `nos.lol` is not a ws:// or wss:// address");
    check_error("relays = ['wss://']", "is not a ws:// or wss:// address");
    check_error(
        "relays = ['wss://me:secret@nos.lol']",
        "the address of `nos.lol` contains a user or password",
    );
    let many = vec!["'wss://nos.lol'"; 33].join(",");
    check_error(&format!("relays = [{many}]"), "1: `relays` names 33: at most 32");
    check_error(
        "[price_permille]\nm = 1000001",
        "2: `price_permille`: `m` is 1000001: it can be 0 to 1000000",
    );
    check_error("max_concurrent_jobs = 0", "1: `max_concurrent_jobs` is 0: it can be 1 to 256");
    check_error("max_concurrent_jobs = 257", "1: `max_concurrent_jobs` is 257");
    check_error(
        "default_model = 'x'\nmax_queued_jobs = 0",
        "2: `max_queued_jobs` is 0: it can be 1 to 100000",
    );
    check_error(
        "[inference]\nllama_cpp.url = 'localhost:8080'",
        "2: `url`: `localhost:8080` is not a http:// or https:// address",
    );
    check_error(
        "[inference.gpu]\ntype = 'llama_cpp'\nurl = 1",
        "3: invalid type: integer `1`, expected a string",
    );
    check_error(
        "[network]\nchain_wait_seconds = 0",
        "2: `chain_wait_seconds` is 0: it can be 1 to 3600",
    );
    check_error(
        "[journal]\nkeep_text_days = 3651",
        "2: `keep_text_days` is 3651: it can be 0 to 3650",
    );
    check_error("[journal]\nkeep_text_mb = 0", "2: `keep_text_mb` is 0: it can be 1 to 1048576");
    check_error(
        "[journal]\nkeep_text_day = 0",
        "2: unknown key `keep_text_day` in [journal]; did you mean `keep_text_days`?",
    );
    check_error(
        "[network]\nfetch_url = true",
        "2: unknown key `fetch_url` in [network]; did you mean `fetch_urls`?",
    );
    for address in [
        "127.0.0.1",
        "127.0.0.1:",
        "127.0.0.1:0",
        "127.0.0.1:99999",
        "http://127.0.0.1:80",
        "a b:80",
        "::1:80",
        "2130706433:80",
    ] {
        check_error(
            &format!("[network]\nallow = ['{address}']"),
            &format!("2: `allow`: `{address}` is not HOST:PORT"),
        );
    }
    let many = vec!["'a:1'"; 65].join(",");
    check_error(&format!("network.allow = [{many}]"), "1: `allow` names 65: at most 64");
}

/// Goal: a syntax error is reported with its line. Method: one error per row.
#[test]
fn invalid_toml_is_reported() {
    check_error("max_queued_jobs = ", "1: ");
    check_error("max_queued_jobs = 1\nmax_queued_jobs = 2", "2: duplicate key");
    check_error("relays = ['wss://nos.lol'\n", "unclosed array");
}

/// Goal: every setting is shown with the line that sets it. Method: a file that sets some of them,
/// in each notation.
#[test]
fn each_setting_has_its_line() {
    let text = "# mine\ndefault_model = 'a'\nrelays = [\n 'wss://x'\n]\n[inference]\nllama_cpp.url = 'http://x'\n\
                [guests.\"pricing:5050\"]\nsettings = { base-msat = '1' }\n";
    let config = Config::parse(text).unwrap();
    let found = config.explain(text);
    let check = |key: &str, value: &str, line: Option<usize>| {
        let one = found
            .iter()
            .find(|setting| setting.key == key)
            .unwrap_or_else(|| panic!("{key} in {found:?}"));
        assert_eq!((one.value.as_str(), one.line), (value, line), "{key}");
    };
    check("default_model", "\"a\"", Some(2));
    check("relays", "[\"wss://x\"]", Some(3));
    check("inference.llama_cpp.url", "\"http://x\"", Some(7));
    check("guests.\"pricing:5050\".settings.base-msat", "\"1\"", Some(9));
    check("max_queued_jobs", "64", None);
    assert_eq!(found.len(), 23, "{found:?}");
    let mut changed = config.clone();
    changed.provider.max_queued_jobs = 1;
    changed.slots.guests.clear();
    assert_eq!(
        config.differences(&changed),
        ["guests.\"pricing:5050\".settings.base-msat", "max_queued_jobs"]
    );
    assert!(config.differences(&config).is_empty());
}

/// Goal: errors of the file itself name its path. Method: a missing file, one that is not text, and
/// one that is too large.
#[test]
fn file_errors_name_the_path() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("config.toml");
    let message = |path: &Path| format!("{:#}", Config::load(path).unwrap_err());
    assert!(message(&path).ends_with("config.toml: no such file"), "{}", message(&path));
    assert_eq!(Config::load_or_default(&path).unwrap(), Config::default());
    std::fs::write(&path, "\n\nrelay = []").unwrap();
    assert!(
        message(&path).ends_with("/config.toml:3: unknown key `relay`; did you mean `relays`?"),
        "{}",
        message(&path)
    );
    assert!(Config::load_or_default(&path).is_err());
    std::fs::write(&path, [0xff]).unwrap();
    assert!(message(&path).ends_with("config.toml is not UTF-8 text"), "{}", message(&path));
    std::fs::write(&path, vec![b' '; 1 << 21]).unwrap();
    assert!(message(&path).ends_with("is larger than 1048576 bytes"), "{}", message(&path));
    assert!(message(dir.path()).starts_with("cannot read "), "{}", message(dir.path()));
}
