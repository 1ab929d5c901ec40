//! The operator's settings, filled up with what the guest declares.

use super::InstallError;
use crate::about::About;
use crate::bindings::types;
use pylon_core::Param;

/// What the guest declares, in its order, each with the operator's values or the default.
pub(crate) fn settings(
    about: &About,
    mut set: Vec<Param>,
) -> Result<Vec<types::Param>, InstallError> {
    if let Some(empty) = set.iter().find(|param| param.values.is_empty()) {
        return Err(InstallError::Setting(empty.name.clone(), known(about)));
    }
    let filled = about.settings.iter().map(|setting| {
        let own = set
            .iter()
            .position(|param| param.name == setting.name)
            .map(|place| set.swap_remove(place));
        let values = own.map_or_else(|| vec![setting.default.clone()], |param| param.values);
        types::Param { name: setting.name.clone(), values }
    });
    let filled = filled.collect();
    set.pop().map_or(Ok(filled), |unknown| Err(InstallError::Setting(unknown.name, known(about))))
}

/// What there is to set, for whoever set something else.
fn known(about: &About) -> String {
    let names: Vec<_> =
        about.settings.iter().map(|setting| format!("`{}`", setting.name)).collect();
    if names.is_empty() { "it has none".into() } else { format!("there is {}", names.join(", ")) }
}
