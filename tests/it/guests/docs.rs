//! The documentation of the SDK against the code.

use pylon_sandbox::Limits;
use std::path::Path;

fn module(world: &str) -> String {
    let path =
        Path::new(env!("CARGO_MANIFEST_DIR")).join("../guest-sdk/src").join(format!("{world}.rs"));
    std::fs::read_to_string(path).unwrap()
}

/// The complete example in the documentation of a world.
pub(super) fn example(world: &str) -> String {
    block(world, "ignore").expect("an example")
}

/// The cases of that example, if it has some.
pub(super) fn example_cases(world: &str) -> Option<String> {
    block(world, "toml")
}

/// The first block of this language.
fn block(world: &str, language: &str) -> Option<String> {
    let text = module(world);
    let block = text.split(&format!("/// ```{language}\n")).nth(1)?.split("/// ```\n").next()?;
    let line = |line: &str| {
        line.trim_start_matches("///").strip_prefix(' ').unwrap_or_default().to_owned() + "\n"
    };
    Some(block.lines().map(line).collect())
}

/// Goal: the documented limits are right. Method: search the documentation for each limit as it is
/// worded there.
#[test]
fn documented_limits_match_the_node() {
    let thousands = |number: u64| {
        let (high, low) = (number / 1000, number % 1000);
        if high >= 1000 {
            format!("{} {:03} {low:03}", high / 1000, high % 1000)
        } else {
            format!("{high} {low:03}")
        }
    };
    let size = |bytes: u64| {
        if bytes >= 1 << 20 {
            format!("{} MiB", bytes >> 20)
        } else {
            format!("{} KiB", bytes >> 10)
        }
    };
    let (policy, handler) = (Limits::POLICY, Limits::HANDLER);
    let of_policies = [
        format!("| fuel | {} units", thousands(policy.fuel)),
        format!("| memory | {} |", size(policy.memory_bytes)),
        format!("| table elements | {} |", thousands(policy.table_elements)),
        format!("| stack | {} |", size(Limits::STACK_BYTES)),
        format!("| answer | {} |", size(policy.output_bytes)),
    ];
    let of_handlers = [
        format!("| CPU time | {} s |", handler.cpu_ms / 1000),
        format!("| wall time, including all waits | {} h |", handler.wall_ms / 3_600_000),
        format!("| memory | {} |", size(handler.memory_bytes)),
        format!("| table elements | {} |", thousands(handler.table_elements)),
        format!("| stack | {} |", size(Limits::STACK_BYTES)),
        format!("| data from guest to host in one call | {} |", size(handler.hostcall_bytes)),
        format!("| host resources at once (completions, streams) | {} |", handler.resources),
        format!("| progress messages and partial outputs | {}", thousands(handler.emit_count)),
        format!("with {} of text |", size(handler.emit_bytes)),
        format!("| log lines | {} |", size(handler.log_bytes)),
        format!("attributes (names of 64 bytes) | {} |", size(handler.output_bytes)),
    ];
    let rows = [
        ("pricing", &of_policies[..]),
        ("routing", &of_policies),
        ("verification", &of_policies),
        ("handler", &of_handlers),
    ];
    for (world, limits) in rows {
        let text = module(world).replace("\n//!", "");
        for limit in limits {
            assert!(text.contains(limit), "{world}: `{limit}`");
        }
        assert!(text.contains("# Errors") && text.contains("`invalid_output`"), "{world}");
        assert!(example(world).contains("export!("), "{world}");
    }
}
