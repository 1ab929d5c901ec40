//! Concurrent changes of slots: a slow one blocks no other, and all end.

use super::install_steps::{NOW, OfflineSlots};
use super::{guest, install};
use crate::component;
use async_trait::async_trait;
use futures::join;
use pylon_core::ports::installations::Installations;
use pylon_core::slots::SlotChange;
use pylon_egress::policy::EgressPolicy;
use pylon_node::home::Home;
use pylon_sandbox::{Compilation, Compiler, EngineKind, Sandbox};
use pylon_slots::Config;
use pylon_slots::{SlotHistory, SlotManager, Slots, sandbox};
use pylon_tests::market::TEST_TIMEOUT;
use std::sync::Arc;
use tokio::sync::{Mutex, Semaphore, mpsc};
use tokio::time::timeout;

/// A compiler that compiles one component only after a permit, each time.
struct Slow {
    here: Sandbox,
    of: &'static [u8],
    begun: mpsc::Sender<()>,
    go: Semaphore,
}

#[async_trait]
impl Compiler for Slow {
    async fn compile(&self, _: EngineKind, bytes: &[u8]) -> Result<Vec<u8>, String> {
        if bytes == self.of {
            self.begun.send(()).await.unwrap();
            self.go.acquire().await.unwrap().forget();
        }
        self.here.precompile(bytes).await.map_err(|error| error.to_string())
    }
}

/// Slots with such a compiler and an empty code cache.
struct SlowSlots {
    offline: OfflineSlots,
    manager: Arc<SlotManager>,
    slow: Arc<Slow>,
    begun: Mutex<mpsc::Receiver<()>>,
}

impl SlowSlots {
    async fn open(of: &'static str) -> Self {
        let offline = OfflineSlots::open(&Config::default());
        let state = Home::at(offline.folder.path()).open().unwrap();
        let here = sandbox(
            state.folder("cache").unwrap(),
            Compilation::InProcess,
            &Config::default().lockdown,
        )
        .unwrap();
        let (begun, started) = mpsc::channel(9);
        let slow = Arc::new(Slow { here, of: component(of), begun, go: Semaphore::new(0) });
        let compilation = Compilation::With(Arc::clone(&slow) as Arc<_>);
        let sandbox = Sandbox::open(pylon_sandbox::Config {
            compilation,
            ..pylon_sandbox::Config::default()
        })
        .unwrap();
        let store = state.components().unwrap();
        let opened = Slots::open(
            sandbox,
            store,
            SlotHistory::default(),
            &Config::default(),
            EgressPolicy::default(),
            Some(&offline.journal),
            NOW,
        )
        .await;
        let manager = opened.unwrap().0.manager;
        Self { offline, manager, slow, begun: Mutex::new(started) }
    }

    async fn apply(&self, change: SlotChange) -> String {
        self.manager.apply(&change, &self.offline.journal, NOW).await.unwrap().name
    }

    /// Waits until the component is being compiled.
    async fn begun(&self) {
        timeout(TEST_TIMEOUT, self.begun.lock().await.recv()).await.unwrap().unwrap();
    }
}

/// Goal: a slow compiler blocks only the guest that it compiles. Method: a guest whose compiler
/// waits for a change of another slot, and then of its own, after which it requests more than the
/// slot had.
#[tokio::test(flavor = "multi_thread")]
async fn slow_compiler_blocks_no_other_slot() {
    let opened = SlowSlots::open("hostile_handler").await;
    let slow = guest(opened.offline.file(component("hostile_handler")), &[]);
    let others = async {
        opened.begun().await;
        opened.apply(install("pricing:5051", guest("token_pricing", &[]))).await;
        opened
            .apply(install("handler:5999", guest(opened.offline.file(component("probe")), &[])))
            .await;
        opened.slow.go.add_permits(9);
    };
    let change = install("handler:5999", slow);
    let change = opened.manager.apply(&change, &opened.offline.journal, NOW);
    let (done, ()) = timeout(TEST_TIMEOUT, async { join!(change, others) }).await.unwrap();
    assert_eq!(done.unwrap_err().code, "grant", "it is held against the slot as it is by now");
}

/// Goal: a reload ends, however often commands change slots meanwhile. Method: a configured guest,
/// and a slot that is emptied each time before it is compiled.
#[tokio::test(flavor = "multi_thread")]
async fn reload_ends_while_commands_change_slots() {
    let opened = SlowSlots::open("hostile_pricing").await;
    let slots = [
        "pricing:5051",
        "pricing:5052",
        "pricing:5053",
        "pricing:5054",
        "pricing:5055",
        "pricing:5056",
    ];
    for slot in slots {
        opened.apply(install(slot, guest("token_pricing", &[]))).await;
    }
    let mut config = Config::default();
    config
        .guests
        .insert("pricing".into(), guest(opened.offline.file(component("hostile_pricing")), &[]));
    let reload = async {
        let done =
            opened.manager.reload(&config, &opened.offline.journal, NOW, async { Ok(()) }).await;
        opened.slow.go.close();
        done
    };
    let others = async {
        let empty = async |slot: &str| {
            opened.apply(SlotChange::Rollback { slot: slot.into(), to: Some(0) }).await
        };
        let (free, held) = slots.split_at(3);
        for slot in free {
            opened.begun().await;
            empty(slot).await;
            opened.slow.go.add_permits(1);
        }
        opened.begun().await;
        let go = async { opened.slow.go.add_permits(1) };
        join!(async { empty(held[0]).await }, go).0
    };
    let (done, _) = timeout(TEST_TIMEOUT, async { join!(reload, others) }).await.unwrap();
    done.unwrap();
    let history = opened.offline.journal.installations().unwrap();
    let last: Vec<_> =
        history.iter().rev().take(2).map(|row| format!("{} {}", row.slot, row.cause)).collect();
    assert_eq!(last, ["pricing:5054 rollback", "pricing reload"], "the last one waited");
}
