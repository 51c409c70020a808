//! A text as a QR picture, which a camera takes from the screen or from paper.

use std::fmt::Write as _;

use qrcode::{Color, EcLevel, QrCode};

/// Modules around a QR code that stay light (ISO/IEC 18004).
const QUIET: usize = 4;

/// A QR code.
#[derive(Debug)]
pub(in crate::service) struct Picture {
    /// Its width and height in modules, the quiet zone included.
    pub(in crate::service) side: usize,
    /// Its dark modules, as an SVG path.
    pub(in crate::service) path: String,
}

impl Picture {
    /// The picture of a text, unless that is too long for one.
    pub(in crate::service) fn of(text: &str) -> Option<Self> {
        let code = QrCode::with_error_correction_level(text, EcLevel::L).ok()?;
        let mut path = String::new();
        for (y, row) in (QUIET..).zip(code.to_colors().chunks(code.width())) {
            let mut x = QUIET;
            for same in row.chunk_by(|left, right| left == right) {
                let length = same.len();
                if same[0] == Color::Dark {
                    write!(path, "M{x} {y}h{length}v1h-{length}z").expect("a string takes every write");
                }
                x += length;
            }
        }
        Some(Self { side: code.width() + 2 * QUIET, path })
    }
}
