//! Rules for the tree that no compiler checks.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

const LINES_MAX: usize = 600;
const LINES_MEDIAN_MAX: usize = 150;
const LINES_P90_MAX: usize = 350;
const COMMENT_COLUMNS_MAX: usize = 100;
/// `types` has no functions; `agent` has no implementation, so nothing links it.
const NO_HOST: [&str; 2] = ["types", "agent"];

struct Text {
    /// Relative to the root of the repository, with `/`.
    path: String,
    text: String,
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_owned()
}

/// Every text file of the tree, and every folder.
fn tree() -> (Vec<Text>, BTreeSet<String>) {
    let (mut texts, mut folders, mut open) = (Vec::new(), BTreeSet::new(), vec![root()]);
    while let Some(folder) = open.pop() {
        for entry in std::fs::read_dir(&folder).unwrap().map(Result::unwrap) {
            let (path, kind, name) = (
                entry.path(),
                entry.file_type().unwrap(),
                entry.file_name().into_string().unwrap(),
            );
            let local = path.strip_prefix(root()).unwrap().to_str().unwrap().to_owned();
            if kind.is_dir() && !name.starts_with('.') && name != "target" {
                folders.insert(local);
                open.push(path);
            } else if kind.is_file() && name != "Cargo.lock" && name != "LICENSE" {
                // Only UTF-8 files are texts.
                texts.extend(
                    std::fs::read_to_string(&path).ok().map(|text| Text { path: local, text }),
                );
            }
        }
    }
    (texts, folders)
}

fn read(path: &str) -> String {
    std::fs::read_to_string(root().join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

fn stem(path: &str) -> &str {
    Path::new(path).file_stem().and_then(|stem| stem.to_str()).unwrap_or_default()
}

fn none(what: &str, found: Vec<&str>) {
    assert!(found.is_empty(), "{what}: {found:?}");
}

/// Goal: the README's first command starts the node, although the benchmarks are programs too.
/// Method: the script that it names, and the manifest that decides the default.
#[test]
fn demo_command_starts_the_node() {
    assert!(read("README.md").contains("\n./demo "));
    assert!(read("demo").contains("cargo run --release -- demo"));
    let (texts, _) = tree();
    let default = texts.iter().filter(|text| text.text.contains("\ndefault-run = \"pylon\"\n"));
    assert_eq!(default.count(), 1, "one Cargo.toml says what `cargo run` starts");
}

/// Goal: the map in ARCHITECTURE.md is right. Method: its first column against the folders, both
/// ways.
#[test]
fn map_matches_the_tree() {
    let page = read("ARCHITECTURE.md");
    let block = page
        .split("```text\n")
        .nth(1)
        .and_then(|rest| rest.split("```").next())
        .expect("a map in ARCHITECTURE.md");
    let mapped: BTreeSet<&str> =
        block.lines().filter_map(|line| line.split_whitespace().next()).collect();
    let (texts, folders) = tree();
    none(
        "on the map, not in the tree",
        mapped.iter().copied().filter(|path| !folders.contains(*path)).collect(),
    );
    let on_map = |folder: &str| mapped.iter().any(|path| Path::new(path).starts_with(folder));
    let top = folders.iter().map(String::as_str).filter(|folder| !folder.contains('/'));
    none("a folder that the map leaves out", top.filter(|folder| !on_map(folder)).collect());
    let crates = texts.iter().filter_map(|text| text.path.strip_suffix("/Cargo.toml"));
    none(
        "a crate that the map leaves out",
        crates
            .filter(|path| !mapped.iter().any(|on_map| Path::new(path).starts_with(on_map)))
            .collect(),
    );
}

/// Goal: pages that are read to the end. Method: count lines.
#[test]
fn pages_are_short() {
    for (page, max) in [("README.md", 120), ("ARCHITECTURE.md", 200)] {
        let lines = read(page).lines().count();
        assert!(lines <= max, "{page} has {lines} lines: at most {max}");
    }
}

/// Goal: no file collects "the rest". Method: names and lengths.
#[test]
fn files_have_a_subject_and_a_length_limit() {
    let (texts, _) = tree();
    let vague = |text: &&Text| {
        ["utils", "util", "common", "helpers", "misc", "manager"]
            .iter()
            .any(|name| stem(&text.path) == *name)
    };
    none(
        "a name that says nothing",
        texts.iter().filter(vague).map(|text| text.path.as_str()).collect(),
    );
    let rust: Vec<_> = texts.iter().filter(|text| text.path.ends_with(".rs")).collect();
    let long = rust.iter().filter(|text| text.text.lines().count() > LINES_MAX);
    none("too long", long.map(|text| text.path.as_str()).collect());
    let mut lengths: Vec<_> = rust.iter().map(|text| text.text.lines().count()).collect();
    lengths.sort_unstable();
    for (what, length, max) in [
        ("half", lengths[lengths.len() / 2], LINES_MEDIAN_MAX),
        ("a tenth", lengths[lengths.len() * 9 / 10], LINES_P90_MAX),
    ] {
        assert!(length <= max, "{what} of the files have {length} lines or more: at most {max}");
    }
}

/// Goal: comments are as narrow as code, which rustfmt keeps to this width. Method: count columns.
#[test]
fn comments_are_wrapped() {
    let (texts, _) = tree();
    let is_wide = |line: &str| {
        line.trim_start().starts_with("//") && line.chars().count() > COMMENT_COLUMNS_MAX
    };
    let code =
        texts.iter().filter(|text| text.path.ends_with(".rs") || text.path.ends_with(".wit"));
    none(
        "a comment wider than 100 columns",
        code.filter(|text| text.text.lines().any(is_wide)).map(|text| text.path.as_str()).collect(),
    );
}

/// Goal: nothing is postponed, and no test waits for a fixed time. Method: search for the words,
/// which are split here.
#[test]
fn forbidden_words_do_not_appear() {
    let (texts, _) = tree();
    for word in [
        ["TO", "DO"],
        ["FIX", "ME"],
        ["#[ig", "nore"],
        ["to", "do!("],
        ["unimpl", "emented!("],
        ["<<<<", "<<< "],
        [">>>>", ">>> "],
    ]
    .map(|parts| parts.concat())
    {
        none(
            &word,
            texts
                .iter()
                .filter(|text| text.text.contains(&word))
                .map(|text| text.path.as_str())
                .collect(),
        );
    }
    let sleeping = texts.iter().filter(|text| {
        text.path.starts_with("tests/it/") && text.text.contains(&["sle", "ep("].concat())
    });
    none(
        "a test waits for an event, not for a time",
        sleeping.map(|text| text.path.as_str()).collect(),
    );
}

/// Goal: the contract is in one place on each side. Method: file names of `wit/` against those next
/// to the bindings.
#[test]
fn each_interface_has_its_file() {
    let (texts, _) = tree();
    let word = ["bind", "gen!("].concat();
    let bound = texts.iter().filter(|text| text.path.ends_with(".rs") && text.text.contains(&word));
    none(
        "bindings elsewhere",
        bound.map(|text| text.path.as_str()).filter(|path| stem(path) != "bindings").collect(),
    );
    let interfaces: Vec<_> = texts
        .iter()
        .filter(|text| text.path.ends_with(".wit"))
        .flat_map(|text| {
            text.text
                .lines()
                .filter_map(|line| line.strip_prefix("interface "))
                .map(move |line| (text, line))
        })
        .map(|(text, line)| (text.path.as_str(), line.trim_end_matches([' ', '{'])))
        .collect();
    none(
        "not in the file of its name",
        interfaces
            .iter()
            .filter(|(path, name)| stem(path) != *name)
            .map(|(path, _)| *path)
            .collect(),
    );
    let hosts = texts.iter().filter_map(|text| text.path.strip_suffix("/bindings.rs"));
    for host in hosts.filter(|path| path.starts_with("runtime/")) {
        let files: BTreeSet<_> = texts
            .iter()
            .filter(|text| text.path.starts_with(host))
            .map(|text| stem(&text.path))
            .collect();
        let names = interfaces.iter().map(|(_, name)| *name).filter(|name| !NO_HOST.contains(name));
        none(
            &format!("no file in {host}"),
            names.filter(|name| !files.contains(name.replace('-', "_").as_str())).collect(),
        );
    }
}

/// Goal: the core does no I/O. Method: its dependencies.
#[test]
fn core_has_no_io_dependency() {
    let manifest = read("runtime/core/Cargo.toml");
    let names = manifest.lines().filter_map(|line| line.split([' ', '.', '=']).next());
    let acting = |name: &&str| {
        ["tokio", "rusqlite", "reqwest", "nostr", "wasmtime", "hyper", "rustls"]
            .iter()
            .any(|crate_| name.starts_with(crate_))
    };
    none("the core depends on", names.filter(acting).collect());
}
