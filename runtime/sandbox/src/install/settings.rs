//! The operator's settings, with the defaults of the manifest.

use crate::bindings::types;
use crate::error::InstallError;
use crate::manifest::Manifest;
use pylon_core::Param;
use pylon_core::settings::one_of;

/// All settings of the manifest, in its order, each with the operator's values or the default.
pub(crate) fn settings(
    manifest: &Manifest,
    mut set: Vec<Param>,
) -> Result<Vec<types::Param>, InstallError> {
    if let Some(empty) = set.iter().find(|param| param.values.is_empty()) {
        return Err(InstallError::UnknownSetting(empty.name.clone(), available(manifest)));
    }
    let filled = manifest.settings.iter().map(|setting| {
        let own = set
            .iter()
            .position(|param| param.name == setting.name)
            .map(|index| set.swap_remove(index));
        let values = own.map_or_else(|| vec![setting.default.clone()], |param| param.values);
        types::Param { name: setting.name.clone(), values }
    });
    let filled = filled.collect();
    match set.pop() {
        Some(unknown) => Err(InstallError::UnknownSetting(unknown.name, available(manifest))),
        None => Ok(filled),
    }
}

fn available(manifest: &Manifest) -> String {
    match manifest.settings.is_empty() {
        true => "it has none".into(),
        false => one_of(manifest.settings.iter().map(|setting| setting.name.as_str())),
    }
}
