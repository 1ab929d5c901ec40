//! Loading from the code cache against compiling: from the bytes of a component to code that can be
//! linked. Cached code is read, authenticated and mapped.

use crate::component;
use cap_std::ambient_authority;
use cap_std::fs::Dir;
use pylon_sandbox::{CodeOrigin, Config, Grants, Sandbox, Setup};
use pylon_tests::figures::{Figure, Goal, median};

const ROUNDS: usize = 7;
const LOADS: usize = 20;

pub(crate) async fn measure() -> Vec<Figure> {
    let policy = ratio("pricing", "token_pricing").await;
    let handler = ratio("handler:5050", "text_generation").await;
    let figure = |name, (ours, against)| Figure { name, ours, against, goal: Goal::AtLeast(150.0) };
    vec![
        figure("compile ÷ cached load of a policy (µs)", policy),
        figure("compile ÷ cached load of a handler (µs)", handler),
    ]
}

async fn ratio(slot: &str, name: &str) -> (f64, f64) {
    let folder = tempfile::tempdir().unwrap();
    let cache = Dir::open_ambient_dir(folder.path(), ambient_authority()).unwrap();
    let cached = Sandbox::open(Config { cache: Some(cache), ..Config::default() }).unwrap();
    let bare = Sandbox::open(Config::default()).unwrap();
    micros(&cached, slot, name, CodeOrigin::Compiled).await;
    let (mut compiled, mut loaded) = (Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        compiled.push(micros(&bare, slot, name, CodeOrigin::Compiled).await);
        for _ in 0..LOADS {
            loaded.push(micros(&cached, slot, name, CodeOrigin::Cached).await);
        }
    }
    (median(compiled), median(loaded))
}

async fn micros(sandbox: &Sandbox, slot: &str, name: &str, way: CodeOrigin) -> f64 {
    let setup = Setup { grants: Grants::all(), skip_self_test: true, ..Setup::default() };
    let guest = sandbox.load(slot.parse().unwrap(), component(name), setup).await.unwrap();
    assert_eq!(guest.code_origin(), way);
    guest.load_time().as_secs_f64() * 1e6
}
