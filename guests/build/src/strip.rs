//! Takes out what a component carries for debuggers: the names of its parts and of the tools that made it.

const HEADER_BYTES: usize = 8;
const CUSTOM: u8 = 0;

/// The component without its custom sections; `None` if its sections are not what they say.
pub(crate) fn without_names(component: &[u8]) -> Option<Vec<u8>> {
    let (header, mut rest) = component.split_at_checked(HEADER_BYTES)?;
    let mut kept = header.to_vec();
    while let Some((kind, after)) = rest.split_first() {
        let (length, length_bytes) = leb128(after)?;
        let (section, next) = rest.split_at_checked(length.checked_add(length_bytes)?.checked_add(1)?)?;
        if *kind != CUSTOM {
            kept.extend_from_slice(section);
        }
        rest = next;
    }
    Some(kept)
}

/// An unsigned number in seven bits a byte, least first, and how many bytes it takes.
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

    /// Only custom sections go, and a file that lies about its sections is left alone.
    #[test]
    fn custom_sections_are_taken_out() {
        let header = [0, b'a', b's', b'm', 13, 0, 1, 0];
        let kept = [&[7, 2, 5, 6][..], &[1, 0]];
        let component = [&header[..], kept[0], &[0, 3, 1, b'n', 9], kept[1], &[0, 0x81, 0x00, 0]].concat();
        assert_eq!(without_names(&component), Some([&header[..], kept[0], kept[1]].concat()));
        assert_eq!(without_names(&[&header[..], &[7, 200, 1, 0]].concat()), None);
        assert_eq!(without_names(&header[..5]), None);
    }
}
