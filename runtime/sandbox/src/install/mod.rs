//! The way of a component into the node. Each step has one case of [`InstallError`], and they come in its order: what is cheap and runs nothing
//! first, what runs something of the guest later. Digest and signature are asked before, by whoever fetched the bytes.

mod grants;
mod link;
mod samples;
mod self_test;
mod settings;

pub use grants::Grants;
pub(crate) use link::{described, granted};
pub(crate) use self_test::self_test;
pub(crate) use settings::settings;

use crate::about::Want;
use crate::limits::Limits;
use crate::outline::OutlineError;
use crate::slot::Slot;
use pylon_core::Param;
use pylon_core::guest::Fault;

/// A larger component is not looked at.
pub const COMPONENT_BYTES_MAX: usize = 32 << 20;

/// How an operator installs a guest.
#[derive(Clone, Debug, Default)]
pub struct Setup {
    /// Settings by name. What is not set has the default that the guest declares.
    pub settings: Vec<Param>,
    /// The most that the operator allows this guest; the node's limits hold anyway.
    pub limits: Option<Limits>,
    /// What it gets of what it wants: by default nothing.
    pub grants: Grants,
    /// What to do with a guest that wants more: install it without (`true`), or not at all, so that the operator can be asked.
    pub withhold: bool,
    /// Leave the samples out: for a guest that has passed them, or that is asked something else first.
    pub untested: bool,
}

/// Why a component is not installed: the step that it failed, in the order of the steps.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InstallError {
    /// Too many bytes.
    #[error("a component of {0} bytes is too large: at most {COMPONENT_BYTES_MAX}")]
    Size(usize),
    /// No component (`component`), or not that of one guest (`world`).
    #[error(transparent)]
    Outline(#[from] OutlineError),
    /// It exports another world than that of the slot, or what it has behind the names does not fit.
    #[error("{0}")]
    World(String),
    /// This import, which its role does not have, which this build does not link, or which it does not say that it wants.
    #[error("imports `{0}`, which is not granted")]
    Import(String),
    /// A set of guests has no policy for every kind in this role.
    #[error("there is no guest for `{0}`")]
    Missing(&'static str),
    /// The compiler did not take it, or this node has none.
    #[error("cannot be compiled: {0}")]
    Compile(String),
    /// An image is not the one that was signed, or not for this engine.
    #[error("has no image that can be used: {0}")]
    Image(String),
    /// `describe` gave no answer.
    #[error("cannot describe itself: {0}")]
    Describe(Fault),
    /// What `describe` answered.
    #[error("describes itself wrongly: {0}")]
    About(String),
    /// It does not do the kind of the slot.
    #[error("does not serve `{0}`")]
    Slot(Slot),
    /// The operator set something that the guest does not have, or nothing at all.
    #[error("has no setting `{0}`, or it has no value; {1}")]
    Setting(String, String),
    /// In the guest's own words: it cannot work with a setting that it has, and refuses all samples for it.
    #[error("cannot use its settings: {0}")]
    Settings(String),
    /// What it wants beyond the grants.
    #[error("wants more than it is granted: {}", words(.0))]
    Grant(Vec<Want>),
    /// It fails at a sample.
    #[error("fails its test: {0}")]
    SelfTest(String),
}

impl InstallError {
    /// The step in a word, for programs.
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Size(_) => "size",
            Self::Outline(error) => error.code(),
            Self::World(_) | Self::Missing(_) => "world",
            Self::Import(_) => "import",
            Self::Compile(_) => "compile",
            Self::Image(_) => "image",
            Self::Describe(_) => "describe",
            Self::About(_) => "about",
            Self::Slot(_) => "slot",
            Self::Setting(..) | Self::Settings(_) => "setting",
            Self::Grant(_) => "grant",
            Self::SelfTest(_) => "self-test",
        }
    }
}

/// Whatever a parser or a compiler has to say.
pub(crate) fn one_line(words: &str) -> String {
    words.split_whitespace().collect::<Vec<_>>().join(" ")
}

fn words(wants: &[Want]) -> String {
    wants.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
}
