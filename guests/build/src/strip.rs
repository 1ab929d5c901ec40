//! Removes the custom sections of a component: debug names and the names of the tools that made it.

const HEADER_BYTES: usize = 8;
const COMPONENT: [u8; 4] = [13, 0, 1, 0];
const CUSTOM: u8 = 0;
/// A core module inside a component: a complete module file.
const CORE_MODULE: u8 = 1;

/// The component, or core module, without its custom sections and those of the modules in it;
/// `None` if a section is malformed.
pub(crate) fn without_names(component: &[u8]) -> Option<Vec<u8>> {
    let (header, mut rest) = component.split_at_checked(HEADER_BYTES)?;
    let mut kept = header.to_vec();
    while let Some((kind, after)) = rest.split_first() {
        let (length, length_bytes) = leb128(after)?;
        let (section, next) =
            rest.split_at_checked(length.checked_add(length_bytes)?.checked_add(1)?)?;
        if *kind == CORE_MODULE && header.ends_with(&COMPONENT) {
            let module = without_names(section.get(1 + length_bytes..)?)?;
            kept.push(CORE_MODULE);
            push_leb128(&mut kept, module.len());
            kept.extend_from_slice(&module);
        } else if *kind != CUSTOM {
            kept.extend_from_slice(section);
        }
        rest = next;
    }
    Some(kept)
}

fn push_leb128(bytes: &mut Vec<u8>, mut number: usize) {
    while number > 0x7f {
        bytes.push(number as u8 | 0x80);
        number >>= 7;
    }
    bytes.push(number as u8);
}

/// Decodes an unsigned LEB128 number: its value and its length in bytes.
fn leb128(bytes: &[u8]) -> Option<(usize, usize)> {
    let mut number = 0;
    for (place, byte) in bytes.iter().enumerate().take(5) {
        number |= usize::from(byte & 0x7f) << (7 * place);
        if byte & 0x80 == 0 {
            return Some((number, place + 1));
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Only custom sections are removed; a file with a malformed section is not changed.
    #[test]
    fn custom_sections_are_removed() {
        let header = [0, b'a', b's', b'm', 13, 0, 1, 0];
        let kept = [&[7, 2, 5, 6][..], &[8, 0]];
        let component =
            [&header[..], kept[0], &[0, 3, 1, b'n', 9], kept[1], &[0, 0x81, 0x00, 0]].concat();
        assert_eq!(without_names(&component), Some([&header[..], kept[0], kept[1]].concat()));
        assert_eq!(without_names(&[&header[..], &[7, 200, 1, 0]].concat()), None);
        assert_eq!(without_names(&header[..5]), None);
    }

    /// A module in a component loses its custom sections, and its length is adjusted. In a module
    /// the same section number means types.
    #[test]
    fn custom_sections_of_inner_modules_are_removed() {
        let module = [&[0, b'a', b's', b'm', 1, 0, 0, 0, 1, 200, 1][..], &[9; 200]].concat();
        let around = |module: &[u8]| {
            let mut component = vec![0, b'a', b's', b'm', 13, 0, 1, 0, CORE_MODULE];
            push_leb128(&mut component, module.len());
            [&component, module, &[7, 2, 5, 6]].concat()
        };
        let named = around(&[&module[..], &[0, 2, 1, b'n']].concat());
        assert_eq!(without_names(&named), Some(around(&module)));
        assert_eq!(without_names(&around(&module)), Some(around(&module)));
    }
}
