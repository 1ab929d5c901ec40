//! `pylon guest test`: runs the test cases of a guest on the engine of a node, and shows the cost
//! of each call.

use super::{build, component};
use crate::args::guest::TestArgs;
use crate::commands::block_on;
use crate::output::{SilentFailure, json, print};
use anyhow::{Context, Result, anyhow, bail};
use pylon_authoring::cases::{self, CaseResult};
use pylon_core::guest::Cost;
use pylon_core::text::sanitize_line;
use pylon_sandbox::{ComponentInterface, Inspection, POLICY_BYTES_ADVISED_MAX, Role};
use serde_json::json as value;
use std::fmt::Write as _;
use std::path::Path;

/// Runs all cases.
pub(super) fn run(args: &TestArgs) -> Result<()> {
    let is_crate = args.path.join("Cargo.toml").is_file();
    let file = if is_crate { build::build(&args.path)? } else { component::at(&args.path)? };
    let bytes = component::read(&file)?;
    // `NAME.cases.toml` in the folder of `NAME.wasm`.
    let path = file.with_extension("cases.toml");
    let Some(text) = pylon_config::read_text(&path)? else { bail!("{}", no_cases(&file, &bytes)) };
    let cases = cases::parse(&text).map_err(|error| anyhow!("{}: {error}", path.display()))?;
    // Compiled once, for all cases.
    let cache = tempfile::tempdir().context("cannot create a folder for compiled code")?;
    let (guest, results) = block_on(async {
        let sandbox = component::sandbox(Some(cache.path()))?;
        let guest = sandbox.inspect(&bytes).await.with_context(|| file.display().to_string())?;
        let results = cases::run(&sandbox, &bytes, &guest, &cases).await;
        Ok((guest, results))
    })?;
    let warning = size_warning(&guest, bytes.len());
    if args.json {
        json(&to_json(&guest, &results, warning.as_deref()))?;
    } else {
        print(&page(&guest, &results, warning.as_deref()))?;
    }
    if results.iter().all(|case| case.unmet.is_empty()) {
        Ok(())
    } else {
        Err(SilentFailure.into())
    }
}

/// The error for a missing file, with a first case.
fn no_cases(file: &Path, component: &[u8]) -> String {
    let example = match ComponentInterface::read(component).and_then(|interface| interface.role()) {
        Ok(Role::Pricing) => "function = \"quote\", expect = { terms = \"on-delivery\" }",
        Ok(Role::Routing) => "function = \"rank\", expect = { order = [0] }",
        Ok(Role::Verification) => "function = \"judge\", expect = { verdict = \"accept\" }",
        Ok(Role::Handler) => {
            "function = \"run\", job = { inputs = [\"Hello\"] }, expect = { completions = 1 }"
        }
        Err(error) => return format!("{}: {error}", file.display()),
    };
    let first = format!("case = [{{ name = \"first\", {example} }}]");
    let path = file.with_extension("cases.toml");
    format!("no test cases in {}: start with {first}; see guests/README.md", path.display())
}

/// A policy above the advised size works, but can be slow.
fn size_warning(guest: &Inspection, bytes: usize) -> Option<String> {
    (guest.role != Role::Handler && bytes > POLICY_BYTES_ADVISED_MAX).then(|| {
        format!(
            "the component has {} KiB: above {} KiB its calls can be slower; use fewer dependencies",
            bytes.div_ceil(1024),
            POLICY_BYTES_ADVISED_MAX / 1024
        )
    })
}

fn to_json(guest: &Inspection, results: &[CaseResult], warning: Option<&str>) -> serde_json::Value {
    let case = |case: &CaseResult| {
        let (fuel, cpu_us) = match case.cost {
            Cost::Fuel(fuel) => (Some(fuel), None),
            Cost::CpuUs(cpu_us) => (None, Some(cpu_us)),
        };
        value!({
            "name": case.name, "function": case.function.as_str(), "passed": case.unmet.is_empty(),
            "unmet": case.unmet,
            "fuel": fuel, "cpu_us": cpu_us, "budget": case.budget,
        })
    };
    let passed = results.iter().filter(|case| case.unmet.is_empty()).count();
    value!({
        "name": guest.manifest.name, "version": guest.manifest.version, "world": guest.role.world(),
        "cases": results.iter().map(case).collect::<Vec<_>>(), "passed": passed,
        "failed": results.len() - passed, "warning": warning,
    })
}

fn page(guest: &Inspection, results: &[CaseResult], warning: Option<&str>) -> String {
    let width =
        results.iter().map(|case| case.name.chars().count()).max().unwrap_or(0).clamp(4, 60);
    let unit = if guest.role == Role::Handler { "CPU µs" } else { "FUEL" };
    let mut page = format!("{:<width$}  RESULT  {unit:>9}  OF BUDGET\n", "CASE");
    for case in results {
        let (Cost::Fuel(cost) | Cost::CpuUs(cost)) = case.cost;
        let (whole, rest) = share(cost, case.budget);
        let result = if case.unmet.is_empty() { "ok" } else { "FAIL" };
        let _ = writeln!(
            page,
            "{:<width$}  {result:<6}  {cost:>9}  {whole:>5}.{rest:02} %",
            sanitize_line(&case.name)
        );
    }
    for case in results {
        for unmet in &case.unmet {
            let _ = writeln!(page, "\n{}: {}", sanitize_line(&case.name), sanitize_line(unmet));
        }
    }
    if let Some(warning) = warning {
        let _ = writeln!(page, "\nwarning: {warning}");
    }
    let failed = results.iter().filter(|case| !case.unmet.is_empty()).count();
    let _ = writeln!(page, "\n{} passed, {failed} failed", results.len() - failed);
    page
}

/// The share in percent and hundredths of a percent.
fn share(cost: u64, budget: u64) -> (u64, u64) {
    let part = u128::from(cost) * 10_000 / u128::from(budget.max(1));
    let part = u64::try_from(part).unwrap_or(u64::MAX);
    (part / 100, part % 100)
}
