//! What a component imports and exports, read from its sections before anything of it is compiled: a stranger's bytes meet a parser that is
//! written for them, and no compiler. The linker holds the same again.

use crate::install::{COMPONENT_BYTES_MAX, InstallError, one_line};
use crate::linking;
use crate::slot::Role;
use wasmparser::component_types::ComponentEntityType;
use wasmparser::types::TypesRef;
use wasmparser::{Encoding, Parser, Payload, ValidPayload, Validator, WasmFeatures};

const MAGIC: &[u8] = b"\0asm";
const PACKAGE: &str = "pylon:provider/";
/// Of the contract, with what is compatible to it.
const VERSION: &str = "0.1.";

/// The names at a component's border, in its order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Outline {
    /// What it asks for.
    pub imports: Vec<Import>,
    /// What it offers.
    pub exports: Vec<String>,
}

/// Something that a component asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Import {
    /// As in the contract: `pylon:provider/types@0.1.0`.
    pub name: String,
    /// Nothing that could be called.
    pub types_only: bool,
}

/// Why a component has no outline, or none of a guest.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum OutlineError {
    /// A core module.
    #[error("is a core module, not a component: build it for wasm32-wasip2")]
    CoreModule,
    /// No WebAssembly, cut off, or not what its sections say.
    #[error("is no component: {0}")]
    Broken(String),
    /// Exports no world of ours.
    #[error(
        "exports none of the worlds routing-policy, pricing-policy, verification-policy, job-handler"
    )]
    NoWorld,
    /// Exports several worlds.
    #[error("exports more than one world: {0}")]
    ManyWorlds(String),
    /// Written for a contract that this node does not have.
    #[error("is written for `{0}`; this node has version {VERSION}x")]
    Version(String),
}

impl OutlineError {
    /// The step of an installation that it belongs to.
    pub(crate) const fn code(&self) -> &'static str {
        match self {
            Self::CoreModule | Self::Broken(_) => "component",
            Self::NoWorld | Self::ManyWorlds(_) | Self::Version(_) => "world",
        }
    }
}

impl Outline {
    /// Reads a guest that somebody wants to install: `Size` or `Outline`.
    pub fn of_guest(bytes: &[u8]) -> Result<Self, InstallError> {
        if bytes.len() > COMPONENT_BYTES_MAX {
            return Err(InstallError::Size(bytes.len()));
        }
        Ok(Self::read(bytes)?)
    }

    /// Could it go there? `Outline`, `World` or `Import`.
    pub fn fits(&self, role: Role) -> Result<(), InstallError> {
        let own = self.role()?;
        if own != role {
            return Err(InstallError::World(format!(
                "is a {} guest, and this slot is for {}",
                own.name(),
                role.name()
            )));
        }
        let is_linked =
            |import: &Import| role == Role::Handler && linking::is_grantable(&import.name);
        match self.imports.iter().find(|import| !import.types_only && !is_linked(import)) {
            Some(import) => Err(InstallError::Import(import.name.clone())),
            None => Ok(()),
        }
    }

    /// Reads the border of a component. Code is left to the compiler.
    pub fn read(bytes: &[u8]) -> Result<Self, OutlineError> {
        if !bytes.starts_with(MAGIC) {
            return Err(OutlineError::Broken("it does not begin as WebAssembly does".into()));
        }
        let broken =
            |error: wasmparser::BinaryReaderError| OutlineError::Broken(one_line(error.message()));
        let mut validator = Validator::new_with_features(WasmFeatures::all());
        let (mut outline, mut depth) = (Self::default(), 0_u32);
        for payload in Parser::new(0).parse_all(bytes) {
            let payload = payload.map_err(broken)?;
            match &payload {
                Payload::Version { encoding: Encoding::Module, .. } if depth == 0 => {
                    return Err(OutlineError::CoreModule);
                }
                Payload::Version { .. } => depth = depth.saturating_add(1),
                Payload::End(_) => depth = depth.saturating_sub(1),
                Payload::ComponentImportSection(section) if depth == 1 => {
                    for import in section.clone() {
                        let name = import.map_err(broken)?.name.name.to_owned();
                        outline.imports.push(Import { name, types_only: false });
                    }
                }
                Payload::ComponentExportSection(section) if depth == 1 => {
                    for export in section.clone() {
                        outline.exports.push(export.map_err(broken)?.name.name.to_owned());
                    }
                }
                _ => {}
            }
            if let ValidPayload::End(types) = validator.payload(&payload).map_err(broken)?
                && depth == 0
            {
                let types = types.as_ref();
                for import in &mut outline.imports {
                    import.types_only = is_types_only(types, &import.name);
                }
                return Ok(outline);
            }
        }
        Err(OutlineError::Broken("it has no end".into()))
    }

    /// The one world that it exports.
    pub fn role(&self) -> Result<Role, OutlineError> {
        let mut found: Vec<(Role, &str)> = Vec::new();
        for export in &self.exports {
            let Some((interface, version)) =
                export.strip_prefix(PACKAGE).and_then(|rest| rest.split_once('@'))
            else {
                continue;
            };
            let Some(role) = Role::ALL.into_iter().find(|it| it.name() == interface) else {
                continue;
            };
            if !version.starts_with(VERSION) {
                return Err(OutlineError::Version(export.clone()));
            }
            found.push((role, export));
        }
        match found.as_slice() {
            [] => Err(OutlineError::NoWorld),
            [(role, _)] => Ok(*role),
            several => Err(OutlineError::ManyWorlds(
                several.iter().map(|(_, name)| *name).collect::<Vec<_>>().join(", "),
            )),
        }
    }
}

fn is_types_only(types: TypesRef<'_>, import: &str) -> bool {
    match types.component_item_for_import(import).map(|item| item.ty) {
        Some(ComponentEntityType::Type { .. }) => true,
        Some(ComponentEntityType::Instance(id)) => types.get(id).is_some_and(|instance| {
            instance.exports.values().all(|it| matches!(it.ty, ComponentEntityType::Type { .. }))
        }),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn exporting(names: &[&str]) -> Result<Role, OutlineError> {
        Outline { imports: Vec::new(), exports: names.iter().map(|name| (*name).into()).collect() }
            .role()
    }

    /// One world and no other makes a guest; helpers beside it are its own affair.
    #[test]
    fn a_guest_has_one_world() {
        assert_eq!(exporting(&["describe", "pylon:provider/pricing@0.1.0"]), Ok(Role::Pricing));
        assert_eq!(
            exporting(&["pylon:provider/handler@0.1.7", "wasi:cli/run@0.2.0"]),
            Ok(Role::Handler)
        );
        assert_eq!(exporting(&["describe"]), Err(OutlineError::NoWorld));
        assert_eq!(
            exporting(&["pylon:provider/pricing@0.2.0"]),
            Err(OutlineError::Version("pylon:provider/pricing@0.2.0".into()))
        );
        let two = ["pylon:provider/pricing@0.1.0", "pylon:provider/routing@0.1.0"];
        assert_eq!(exporting(&two), Err(OutlineError::ManyWorlds(two.join(", "))));
    }

    /// What is no component is told apart from one that is cut off; nothing of it is compiled.
    #[test]
    fn bytes_of_any_kind_have_an_answer() {
        let (module, component) = (b"\0asm\x01\0\0\0", b"\0asm\x0d\0\x01\0");
        assert_eq!(Outline::read(module), Err(OutlineError::CoreModule));
        assert_eq!(Outline::read(component), Ok(Outline::default()));
        for bytes in [
            &b""[..],
            b"\0as",
            b"#!/bin/sh\n",
            &[0xff; 4096],
            &component[..7],
            &[&component[..], &[7, 200, 1]].concat(),
        ] {
            assert!(matches!(Outline::read(bytes), Err(OutlineError::Broken(_))), "{bytes:?}");
        }
    }
}
