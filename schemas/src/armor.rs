//! The text form of every file, for mail and web forms: base64 between two lines that name the kind (RFC 7468).

use crate::container::{ContainerError, FileKind};

/// Writes a file's bytes as text.
pub fn armor(kind: FileKind, bytes: &[u8]) -> String {
    let label = format!("COUNTERFOIL {}", kind.word().to_uppercase());
    let config = pem::EncodeConfig::new().set_line_ending(pem::LineEnding::LF);
    pem::encode_config(&pem::Pem::new(label, bytes), config)
}

/// Whether `bytes` begin as a text form does, white space before it allowed.
pub fn is_armored(bytes: &[u8]) -> bool {
    bytes.trim_ascii_start().starts_with(b"-----BEGIN COUNTERFOIL ")
}

/// Reads the bytes back out of the text form; bytes in another form are returned as they are.
///
/// # Errors
/// [`ContainerError::Damaged`] when the text form is broken.
pub fn dearmor(bytes: Vec<u8>) -> Result<Vec<u8>, ContainerError> {
    if !is_armored(&bytes) {
        return Ok(bytes);
    }
    pem::parse(&bytes).map(pem::Pem::into_contents).map_err(|_| ContainerError::Damaged)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_text_form_survives_what_mail_does_to_it() {
        let bytes: Vec<u8> = (0..=255).collect();
        let text = armor(FileKind::Bundle, &bytes);
        let mailed = format!("\r\n  {}\r\n\r\n", text.replace('\n', "\r\n"));
        assert_eq!(dearmor(text.into_bytes()).expect("whole"), bytes);
        assert_eq!(dearmor(mailed.into_bytes()).expect("whole"), bytes);
    }

    #[test]
    fn a_broken_text_form_is_damaged_and_other_bytes_pass() {
        let text = armor(FileKind::Pack, b"pack").replace("-----END", "----END");
        assert!(matches!(dearmor(text.into_bytes()), Err(ContainerError::Damaged)));
        assert_eq!(dearmor(b"\xcfCFB".to_vec()).expect("not armored"), b"\xcfCFB");
    }
}
