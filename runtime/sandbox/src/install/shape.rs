//! What a component is, read from its own sections: types are checked, code is neither checked nor compiled, nothing runs.

use super::{COMPONENT_BYTES_MAX, InstallError};
use crate::linking;
use crate::slot::Role;
use wasmparser::component_types::ComponentEntityType;
use wasmparser::{Encoding, Parser, Payload, ValidPayload, Validator, WasmFeatures};

const PACKAGE: &str = "pylon:provider/";
const MAGIC: &[u8] = b"\0asm";
/// The contract that this node speaks: any patch of it.
const VERSION: &str = "0.1.";

/// The outside of a component.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Shape {
    /// What it asks of the host; interfaces that hold only types are left out.
    pub imports: Vec<String>,
    /// What it offers.
    pub exports: Vec<String>,
}

impl Shape {
    /// Fails with `Size` or `Component`.
    pub fn read(bytes: &[u8]) -> Result<Self, InstallError> {
        if bytes.len() > COMPONENT_BYTES_MAX {
            return Err(InstallError::Size(bytes.len()));
        }
        read(bytes).map_err(InstallError::Component)
    }

    /// The one world that it is made for, or `World`.
    pub fn role(&self) -> Result<Role, InstallError> {
        let ours = self.exports.iter().filter_map(|export| export.strip_prefix(PACKAGE)?.split_once('@'));
        let roles = ours.filter_map(|(name, version)| Some((Role::ALL.into_iter().find(|role| role.name() == name)?, version)));
        let roles: Vec<_> = roles.collect();
        match roles.as_slice() {
            [(role, version)] if version.starts_with(VERSION) => Ok(*role),
            [(role, version)] => Err(InstallError::World(format!(
                "is a {} guest for version {version} of the contract: this node speaks {VERSION}x",
                role.name()
            ))),
            [] => Err(InstallError::World("is no guest: it exports none of routing, pricing, verification and handler".into())),
            several => {
                let names: Vec<_> = several.iter().map(|(role, _)| role.name()).collect();
                Err(InstallError::World(format!("exports several worlds, {}: a guest has one", names.join(" and "))))
            }
        }
    }

    /// Could it go there? `World` or `Import`.
    pub(crate) fn fits(&self, role: Role) -> Result<(), InstallError> {
        let own = self.role()?;
        if own != role {
            return Err(InstallError::World(format!("is a {} guest, and this slot is for {}", own.name(), role.name())));
        }
        let is_linked = |name: &&String| role == Role::Handler && linking::is_grantable(name);
        match self.imports.iter().find(|import| !is_linked(import)) {
            Some(import) => Err(InstallError::Import(import.clone())),
            None => Ok(()),
        }
    }
}

fn read(bytes: &[u8]) -> Result<Shape, String> {
    if !bytes.starts_with(MAGIC) {
        return Err("it is no WebAssembly".into());
    }
    // All features: what the engine does not run is for the compiler to refuse.
    let mut validator = Validator::new_with_features(WasmFeatures::all());
    let (mut imports, mut exports, mut depth) = (Vec::new(), Vec::new(), 0_u32);
    let mut types = None;
    for payload in Parser::new(0).parse_all(bytes) {
        let payload = payload.map_err(|error| one_line(error.message()))?;
        match &payload {
            Payload::Version { encoding: Encoding::Module, .. } if depth == 0 => return Err("it is a core module".into()),
            Payload::Version { .. } => depth += 1,
            Payload::End(_) => depth = depth.saturating_sub(1),
            Payload::ComponentImportSection(section) if depth == 1 => {
                for import in section.clone() {
                    imports.push(import.map_err(|error| one_line(error.message()))?.name.name.to_owned());
                }
            }
            Payload::ComponentExportSection(section) if depth == 1 => {
                for export in section.clone() {
                    exports.push(export.map_err(|error| one_line(error.message()))?.name.name.to_owned());
                }
            }
            _ => {}
        }
        // The bodies of functions are left to the compiler.
        if let ValidPayload::End(all) = validator.payload(&payload).map_err(|error| one_line(error.message()))? {
            types = Some(all);
        }
    }
    let types = types.filter(|_| depth == 0).ok_or("it ends too early")?;
    let types = types.as_ref();
    imports.retain(|name| {
        !types.component_item_for_import(name).is_some_and(|item| match item.ty {
            ComponentEntityType::Type { .. } => true,
            ComponentEntityType::Instance(id) => types
                .get(id)
                .is_some_and(|instance| instance.exports.values().all(|it| matches!(it.ty, ComponentEntityType::Type { .. }))),
            _ => false,
        })
    });
    Ok(Shape { imports, exports })
}

/// Whatever a parser or a compiler has to say.
pub(crate) fn one_line(words: &str) -> String {
    words.split_whitespace().collect::<Vec<_>>().join(" ")
}
