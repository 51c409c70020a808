//! The vendor's name, picture and colour.

use std::fs::File;
use std::io::{self, Read as _};
use std::path::Path;

use schemas::codes::Code;
use schemas::refusal::Refusal;
use schemas::text::Text;

/// Most bytes of a picture: it is kept in memory and sent to everybody.
const LOGO_BYTES: u64 = 256 * 1024;

/// How the vendor's pages look.
#[derive(Clone, Debug)]
pub(crate) struct Brand {
    /// The vendor's name.
    pub(super) name: Option<Text>,
    /// The vendor's picture.
    pub(super) logo: Option<Logo>,
    /// The colour of buttons and of the line below the name.
    pub(super) accent: Colour,
}

/// A picture that browsers show.
#[derive(Clone, Debug)]
pub(super) struct Logo {
    /// Its media type.
    pub(super) kind: &'static str,
    /// How its name ends.
    pub(super) ending: &'static str,
    /// Its bytes.
    pub(super) bytes: Vec<u8>,
}

/// A colour: red, green, blue.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct Colour([u8; 3]);

impl Brand {
    /// Reads what the configuration says.
    ///
    /// # Errors
    /// `config_invalid` for what cannot be shown.
    pub(crate) fn load(name: Option<&str>, logo: Option<&Path>, accent: &str) -> Result<Self, Refusal> {
        let name = name.map(|name| {
            Text::new(name).ok_or_else(|| invalid("brand.name is a text of at most 256 bytes in one line"))
        });
        let accent =
            Colour::parse(accent).ok_or_else(|| invalid("brand.accent is a colour, such as #1f4f8f"))?;
        Ok(Self { name: name.transpose()?, logo: logo.map(Logo::load).transpose()?, accent })
    }
}

impl Logo {
    fn load(path: &Path) -> Result<Self, Refusal> {
        let failed = |error: io::Error| Refusal::from_error(Code::ConfigInvalid, &error).at(path.display());
        let mut bytes = Vec::new();
        File::open(path)
            .and_then(|file| file.take(LOGO_BYTES + 1).read_to_end(&mut bytes))
            .map_err(failed)?;
        let is_short = bytes.len() as u64 <= LOGO_BYTES;
        is_short.then(|| Self::recognise(bytes)).flatten().ok_or_else(|| {
            invalid("brand.logo is a PNG or SVG picture of at most 256 KiB").at(path.display())
        })
    }

    /// Recognises a picture by its content; a name is never looked at.
    fn recognise(bytes: Vec<u8>) -> Option<Self> {
        let begins = |start: &[u8]| bytes.starts_with(start);
        if begins(b"\x89PNG\r\n\x1a\n") {
            return Some(Self { kind: "image/png", ending: "png", bytes });
        }
        let is_svg = std::str::from_utf8(&bytes).is_ok_and(|text| text.contains("<svg"));
        let is_markup = begins(b"<svg") || begins(b"<?xml") || begins(b"<!--");
        (is_svg && is_markup).then_some(Self { kind: "image/svg+xml", ending: "svg", bytes })
    }
}

impl Colour {
    fn parse(text: &str) -> Option<Self> {
        let digits = text.strip_prefix('#').filter(|digits| digits.len() == 6)?;
        let part = |at: usize| u8::from_str_radix(digits.get(at..at + 2)?, 16).ok();
        let is_plain = digits.bytes().all(|byte| byte.is_ascii_hexdigit());
        is_plain.then_some(Self([part(0)?, part(2)?, part(4)?]))
    }

    /// The style that gives pages this colour, and what is written on it black or white, whichever stands out more: one of
    /// them always has a contrast of 4.5 to 1.
    pub(super) fn style(self) -> String {
        let Self([red, green, blue]) = self;
        let on = if self.is_light() { "#000000" } else { "#ffffff" };
        format!(":root {{ --accent: #{red:02x}{green:02x}{blue:02x}; --on-accent: {on}; }}\n")
    }

    /// Whether black stands out from it more than white: where its relative luminance (WCAG 2.2) is beyond √(1.05 × 0.05) − 0.05.
    #[expect(clippy::float_arithmetic, reason = "how a page looks is no figure that anybody relies on")]
    fn is_light(self) -> bool {
        let linear = |part: u8| {
            let part = f64::from(part) / 255.0;
            if part <= 0.04045 { part / 12.92 } else { ((part + 0.055) / 1.055).powf(2.4) }
        };
        let [red, green, blue] = self.0.map(linear);
        0.2126 * red + 0.7152 * green + 0.0722 * blue > 0.179
    }
}

fn invalid(what: &str) -> Refusal {
    Refusal::new(Code::ConfigInvalid, what)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_on_a_colour_can_be_read() {
        let on = |text: &str| Colour::parse(text).expect("a colour").style();
        assert_eq!(on("#1f4f8f"), ":root { --accent: #1f4f8f; --on-accent: #ffffff; }\n");
        for light in ["#ffffff", "#ffcc00", "#00ff00", "#777777"] {
            assert!(on(light).contains("--on-accent: #000000"), "{light}");
        }
        for dark in ["#000000", "#0000ff", "#c00000", "#757575"] {
            assert!(on(dark).contains("--on-accent: #ffffff"), "{dark}");
        }
    }

    #[test]
    fn a_colour_is_six_digits_and_no_other_style() {
        for text in ["", "red", "#fff", "#12345", "#1234567", "#12345g", "#+1+2+3", "#fffff€", "1f4f8f"] {
            assert_eq!(Colour::parse(text), None, "{text}");
        }
    }

    #[test]
    fn a_picture_is_recognised_by_its_content() {
        let kind = |bytes: &[u8]| Logo::recognise(bytes.to_vec()).map(|logo| logo.kind);
        assert_eq!(kind(b"\x89PNG\r\n\x1a\n...."), Some("image/png"));
        assert_eq!(kind(b"<?xml version=\"1.0\"?>\n<svg xmlns=\"x\"/>"), Some("image/svg+xml"));
        assert_eq!(kind(b"<html><svg/></html>"), None);
        assert_eq!(kind(b"GIF89a"), None);
    }

    #[test]
    fn what_cannot_be_shown_is_refused() {
        let directory = tempfile::tempdir().expect("a temporary directory");
        let logo = directory.path().join("logo.svg");
        let load =
            |name: Option<&str>| Brand::load(name, Some(&logo), "#000000").map_err(|refusal| refusal.code());
        assert_eq!(load(None).err(), Some(Code::ConfigInvalid), "missing");
        std::fs::write(&logo, "<svg/>").expect("writable");
        assert!(load(Some("ACME")).is_ok());
        assert_eq!(load(Some("two\nlines")).err(), Some(Code::ConfigInvalid));
        std::fs::write(&logo, format!("<svg>{}</svg>", " ".repeat(256 * 1024))).expect("writable");
        assert_eq!(load(None).err(), Some(Code::ConfigInvalid), "too large");
    }
}
