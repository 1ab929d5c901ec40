//! Why a component is not installed.

use crate::limits::COMPONENT_BYTES_MAX;
use crate::manifest::Capability;
use crate::slot::Slot;
use pylon_core::guest::Fault;

/// The supported versions of the contract start with this.
pub(crate) const CONTRACT_VERSION: &str = "0.1.";

/// Why a component has no usable interface.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InterfaceError {
    /// A core module.
    #[error("is a core module, not a component: build it for wasm32-wasip2")]
    CoreModule,
    /// Not WebAssembly, truncated, or not valid.
    #[error("is not a valid component: {0}")]
    Invalid(String),
    /// Exports none of the worlds of the contract.
    #[error(
        "exports none of the worlds routing-policy, pricing-policy, verification-policy, job-handler"
    )]
    NoWorld,
    /// Exports several worlds.
    #[error("exports more than one world: {0}")]
    ManyWorlds(String),
    /// Built for another version of the contract.
    #[error("is built for `{0}`; this node supports version {CONTRACT_VERSION}x")]
    Version(String),
}

impl InterfaceError {
    const fn code(&self) -> &'static str {
        match self {
            Self::CoreModule | Self::Invalid(_) => "component",
            Self::NoWorld | Self::ManyWorlds(_) | Self::Version(_) => "world",
        }
    }
}

/// Why a component is not installed: the step that failed, in the order of the steps.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InstallError {
    /// The component is too large. Contains its size in bytes.
    #[error("a component of {0} bytes is too large: at most {COMPONENT_BYTES_MAX}")]
    Size(usize),
    /// Not a component (`component`), or not one of a single guest (`world`).
    #[error(transparent)]
    Interface(#[from] InterfaceError),
    /// The component's world is not that of the slot, or its types do not match the contract.
    #[error("{0}")]
    World(String),
    /// An import that the role cannot have, that this build does not link, or that the manifest
    /// does not request.
    #[error("imports `{0}`, which is not granted")]
    Import(String),
    /// A guest set has no policy for all kinds in this role.
    #[error("there is no guest for `{0}`")]
    Missing(&'static str),
    /// The compiler failed, or this node does not compile.
    #[error("cannot be compiled: {0}")]
    Compile(String),
    /// Precompiled code that does not match its signature, or is for another engine.
    #[error("has no usable precompiled code: {0}")]
    Precompiled(String),
    /// The call of `describe` failed.
    #[error("cannot describe itself: {0}")]
    Describe(Fault),
    /// The manifest is not valid.
    #[error("has an invalid manifest: {0}")]
    Manifest(String),
    /// The guest does not serve the kind of the slot.
    #[error("does not serve `{0}`")]
    Slot(Slot),
    /// The operator set a setting that the guest does not have, or gave no value. Contains the
    /// setting and the available ones.
    #[error("has no setting `{0}`, or it has no value; {1}")]
    UnknownSetting(String, String),
    /// The guest reports that it cannot use the operator's value of this setting.
    #[error("cannot use the value of its setting `{0}`")]
    InvalidSetting(String),
    /// Requested capabilities that are not granted.
    #[error("requests more than it is granted: {}", list(.0))]
    NotGranted(Vec<Capability>),
    /// The guest failed on a sample.
    #[error("fails its self-test: {0}")]
    SelfTest(String),
}

impl InstallError {
    /// The step that failed, for programs.
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Size(_) => "size",
            Self::Interface(error) => error.code(),
            Self::World(_) | Self::Missing(_) => "world",
            Self::Import(_) => "import",
            Self::Compile(_) => "compile",
            Self::Precompiled(_) => "precompiled",
            Self::Describe(_) => "describe",
            Self::Manifest(_) => "manifest",
            Self::Slot(_) => "slot",
            Self::UnknownSetting(..) | Self::InvalidSetting(_) => "setting",
            Self::NotGranted(_) => "grant",
            Self::SelfTest(_) => "self-test",
        }
    }
}

/// An error text of a parser or a compiler, in one line.
pub(crate) fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

fn list(capabilities: &[Capability]) -> String {
    capabilities.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
}
