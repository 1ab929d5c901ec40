//! A component that was compiled before, against one that was not: everything that an installation does, self-test and authentication included.

use crate::component;
use cap_std::ambient_authority;
use cap_std::fs::Dir;
use pylon_sandbox::{Config, Grants, Loaded, Sandbox, Setup};
use pylon_tests::figures::{Figure, Goal, median};
use std::time::Instant;

const ROUNDS: usize = 7;
const LOADS: u32 = 20;

pub(crate) async fn measure() -> Vec<Figure> {
    let policy = ratio("pricing", "token_pricing").await;
    let handler = ratio("handler:5050", "text_generation").await;
    let figure = |name, (ours, against)| Figure { name, ours, against, goal: Goal::AtLeast(150.0) };
    vec![figure("compile ÷ cached load of a policy (µs)", policy), figure("compile ÷ cached load of a handler (µs)", handler)]
}

async fn ratio(slot: &str, name: &str) -> (f64, f64) {
    let folder = tempfile::tempdir().unwrap();
    let cache = Dir::open_ambient_dir(folder.path(), ambient_authority()).unwrap();
    let cached = Sandbox::open(Config { cache: Some(cache), ..Config::default() }).unwrap();
    let bare = Sandbox::open(Config::default()).unwrap();
    micros(&cached, slot, name, 1).await;
    let (mut compiled, mut loaded) = (Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        compiled.push(micros(&bare, slot, name, 1).await.0);
        let (mean, how) = micros(&cached, slot, name, LOADS).await;
        assert_eq!(how, Loaded::Cached);
        loaded.push(mean);
    }
    (median(compiled), median(loaded))
}

async fn micros(sandbox: &Sandbox, slot: &str, name: &str, times: u32) -> (f64, Loaded) {
    let (begun, mut how) = (Instant::now(), Loaded::Compiled);
    for _ in 0..times {
        let setup = Setup { grants: Grants::all(), ..Setup::default() };
        how = sandbox.load(slot.parse().unwrap(), component(name), setup).await.unwrap().loaded();
    }
    (begun.elapsed().as_secs_f64() * 1e6 / f64::from(times), how)
}
