//! The imports and exports of a component, read before anything is compiled: untrusted bytes meet a
//! validating parser first, not a compiler. The linker checks the same again.

use crate::error::{CONTRACT_VERSION, InstallError, InterfaceError, one_line};
use crate::limits::COMPONENT_BYTES_MAX;
use crate::linking;
use crate::slot::Role;
use wasmparser::component_types::ComponentEntityType;
use wasmparser::types::TypesRef;
use wasmparser::{Encoding, Parser, Payload, ValidPayload, Validator, WasmFeatures};

const MAGIC: &[u8] = b"\0asm";
const PACKAGE: &str = "pylon:provider/";

/// The names that a component imports and exports, in its order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ComponentInterface {
    /// Its imports.
    pub imports: Vec<Import>,
    /// Names of its exports.
    pub exports: Vec<String>,
}

/// An import of a component.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Import {
    /// For example `pylon:provider/types@0.1.0`.
    pub name: String,
    /// It has no functions.
    pub types_only: bool,
}

impl ComponentInterface {
    /// Reads a component that is to be installed: fails with `Size` or `Interface`.
    pub fn read_guest(bytes: &[u8]) -> Result<Self, InstallError> {
        if bytes.len() > COMPONENT_BYTES_MAX {
            return Err(InstallError::Size(bytes.len()));
        }
        Ok(Self::read(bytes)?)
    }

    /// Whether it can serve this role: fails with `Interface`, `World` or `Import`.
    pub fn check_role(&self, role: Role) -> Result<(), InstallError> {
        let own = self.role()?;
        if own != role {
            return Err(InstallError::World(format!(
                "is a {} guest, but the slot is for {}",
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

    /// Reads the imports and exports of a component. Its code is not checked here.
    pub fn read(bytes: &[u8]) -> Result<Self, InterfaceError> {
        if !bytes.starts_with(MAGIC) {
            return Err(InterfaceError::Invalid("it is not WebAssembly".into()));
        }
        let invalid = |error: wasmparser::BinaryReaderError| {
            InterfaceError::Invalid(one_line(error.message()))
        };
        let mut validator = Validator::new_with_features(WasmFeatures::all());
        let (mut interface, mut depth) = (Self::default(), 0_u32);
        for payload in Parser::new(0).parse_all(bytes) {
            let payload = payload.map_err(invalid)?;
            match &payload {
                Payload::Version { encoding: Encoding::Module, .. } if depth == 0 => {
                    return Err(InterfaceError::CoreModule);
                }
                Payload::Version { .. } => depth = depth.saturating_add(1),
                Payload::End(_) => depth = depth.saturating_sub(1),
                Payload::ComponentImportSection(section) if depth == 1 => {
                    for import in section.clone() {
                        let name = import.map_err(invalid)?.name.name.to_owned();
                        interface.imports.push(Import { name, types_only: false });
                    }
                }
                Payload::ComponentExportSection(section) if depth == 1 => {
                    for export in section.clone() {
                        interface.exports.push(export.map_err(invalid)?.name.name.to_owned());
                    }
                }
                _ => {}
            }
            if let ValidPayload::End(types) = validator.payload(&payload).map_err(invalid)?
                && depth == 0
            {
                let types = types.as_ref();
                for import in &mut interface.imports {
                    import.types_only = is_types_only(types, &import.name);
                }
                return Ok(interface);
            }
        }
        Err(InterfaceError::Invalid("it is truncated".into()))
    }

    /// The role of the single world that it exports.
    pub fn role(&self) -> Result<Role, InterfaceError> {
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
            if !version.starts_with(CONTRACT_VERSION) {
                return Err(InterfaceError::Version(export.clone()));
            }
            found.push((role, export));
        }
        match found.as_slice() {
            [] => Err(InterfaceError::NoWorld),
            [(role, _)] => Ok(*role),
            several => Err(InterfaceError::ManyWorlds(
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

    fn role_of(exports: &[&str]) -> Result<Role, InterfaceError> {
        let exports = exports.iter().map(|name| (*name).into()).collect();
        ComponentInterface { imports: Vec::new(), exports }.role()
    }

    #[test]
    fn a_guest_exports_one_world() {
        assert_eq!(role_of(&["describe", "pylon:provider/pricing@0.1.0"]), Ok(Role::Pricing));
        assert_eq!(
            role_of(&["pylon:provider/handler@0.1.7", "wasi:cli/run@0.2.0"]),
            Ok(Role::Handler)
        );
        assert_eq!(role_of(&["describe"]), Err(InterfaceError::NoWorld));
        assert_eq!(
            role_of(&["pylon:provider/pricing@0.2.0"]),
            Err(InterfaceError::Version("pylon:provider/pricing@0.2.0".into()))
        );
        let two = ["pylon:provider/pricing@0.1.0", "pylon:provider/routing@0.1.0"];
        assert_eq!(role_of(&two), Err(InterfaceError::ManyWorlds(two.join(", "))));
    }

    #[test]
    fn invalid_bytes_are_refused() {
        let (module, component) = (b"\0asm\x01\0\0\0", b"\0asm\x0d\0\x01\0");
        assert_eq!(ComponentInterface::read(module), Err(InterfaceError::CoreModule));
        assert_eq!(ComponentInterface::read(component), Ok(ComponentInterface::default()));
        for bytes in [
            &b""[..],
            b"\0as",
            b"#!/bin/sh\n",
            &[0xff; 4096],
            &component[..7],
            &[&component[..], &[7, 200, 1]].concat(),
        ] {
            let read = ComponentInterface::read(bytes);
            assert!(matches!(read, Err(InterfaceError::Invalid(_))), "{bytes:?}");
        }
    }
}
