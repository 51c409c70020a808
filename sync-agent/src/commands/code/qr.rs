//! A code as a QR picture (ISO/IEC 18004), to be read off a screen or paper by whatever has a camera.
//!
//! The symbols of codes and the hyphen are in the alphanumeric mode of QR.

use std::fmt::Write as _;

use clap::builder::styling::{AnsiColor, Color, Style};
use qrcode::{Color as Module, EcLevel, QrCode};
use schemas::codes::Code;
use schemas::refusal::Refusal;
use schemas::typed::TypedCode;

/// Modules around a picture that stay light.
const QUIET: usize = 4;
/// The columns of a terminal that does not say how many it has.
const COLUMNS: usize = 80;
/// Both colours are painted, as a reader of pictures may not take light on dark for dark on light. Light modules are the
/// foreground, so that what is left without the paint still is a picture on a dark ground.
const PAINT: Style = Style::new()
    .fg_color(Some(Color::Ansi(AnsiColor::BrightWhite)))
    .bg_color(Some(Color::Ansi(AnsiColor::Black)));

/// A picture of a code as SVG, black on white, a module a millimetre.
///
/// # Errors
/// When the text has no room in a picture, which no code is too long for.
pub(crate) fn svg(code: &TypedCode) -> Result<String, Refusal> {
    let picture = Picture::of(code)?;
    let (side, path) = (picture.side(), picture.path());
    let (kind, groups) = (code.kind(), code.groups());
    Ok(format!(
        r##"<?xml version="1.0" encoding="UTF-8"?>
<svg xmlns="http://www.w3.org/2000/svg" width="{side}mm" height="{side}mm" viewBox="0 0 {side} {side}" role="img">
<title>Counterfoil {kind} code, {groups} groups</title>
<rect width="{side}" height="{side}" fill="#fff"/>
<path fill="#000" shape-rendering="crispEdges" d="{path}"/>
</svg>
"##
    ))
}

/// The same drawn with half blocks, two modules a character, in as many columns as the terminal has; else what it would
/// take. It is to be written through [`output`](crate::output), which drops the paint where there is to be no colour.
pub(crate) fn terminal(code: &TypedCode) -> String {
    let columns = terminal_size::terminal_size().map_or(0, |(width, _)| usize::from(width.0));
    let columns = if columns == 0 { COLUMNS } else { columns };
    Picture::of(code).map_or_else(|refusal| refusal.to_string(), |picture| picture.drawn(columns))
}

/// The modules of a picture.
struct Picture {
    /// Modules of a row, without the quiet zone.
    width: usize,
    modules: Vec<Module>,
}

impl Picture {
    fn of(code: &TypedCode) -> Result<Self, Refusal> {
        let code = QrCode::with_error_correction_level(code.to_string(), EcLevel::M)
            .map_err(|error| Refusal::from_error(Code::Internal, &error))?;
        Ok(Self { width: code.width(), modules: code.into_colors() })
    }

    /// Its width and height in modules, the quiet zone included.
    fn side(&self) -> usize {
        self.width + 2 * QUIET
    }

    /// Its dark modules as an SVG path.
    fn path(&self) -> String {
        let mut path = String::new();
        for (y, row) in (QUIET..).zip(self.modules.chunks(self.width)) {
            let mut x = QUIET;
            for same in row.chunk_by(|left, right| left == right) {
                let length = same.len();
                if same[0] == Module::Dark {
                    write!(path, "M{x} {y}h{length}v1h-{length}z").expect("a string takes every write");
                }
                x += length;
            }
        }
        path
    }

    fn drawn(&self, columns: usize) -> String {
        let side = self.side();
        if side > columns {
            return format!(
                "the picture is left out: it needs a terminal of {side} columns, and here are {columns}"
            );
        }
        let row = |y| (0..side).map(|x| half_blocks(self.is_light(x, y), self.is_light(x, y + 1))).collect();
        let rows: Vec<String> = (0..side).step_by(2).map(row).collect();
        rows.iter().map(|row| format!("{PAINT}{row}{PAINT:#}")).collect::<Vec<_>>().join("\n")
    }

    /// Whether a module is light, counted from the corner of the quiet zone; all outside is.
    fn is_light(&self, x: usize, y: usize) -> bool {
        let inside = |at: usize| at.checked_sub(QUIET).filter(|at| *at < self.width);
        let (Some(x), Some(y)) = (inside(x), inside(y)) else { return true };
        self.modules[y * self.width + x] == Module::Light
    }
}

fn half_blocks(is_light_above: bool, is_light_below: bool) -> char {
    match (is_light_above, is_light_below) {
        (true, true) => '█',
        (true, false) => '▀',
        (false, true) => '▄',
        (false, false) => ' ',
    }
}

#[cfg(test)]
mod tests {
    use anstream::adapter::strip_str;
    use qrcode::types::Mode;
    use schemas::typed::Kind;

    use super::*;
    use crate::commands::code::sample;

    fn code(groups: usize) -> TypedCode {
        sample(Kind::Unlock, groups)
    }

    /// The modules that a path paints, in the order of rows.
    fn painted(svg: &str, side: usize) -> Vec<bool> {
        let path = svg.split_once(" d=\"").and_then(|(_, rest)| rest.split_once('"')).expect("a path").0;
        let mut dark = vec![false; side * side];
        for part in path.split('M').skip(1) {
            let numbers: Vec<usize> =
                part.split([' ', 'h', 'v', '-', 'z']).filter_map(|number| number.parse().ok()).collect();
            let [x, y, length, 1, back] = numbers[..] else { panic!("{part}") };
            assert_eq!(length, back);
            (x..x + length).for_each(|x| dark[y * side + x] = true);
        }
        dark
    }

    /// The modules that are not drawn as light, in the order of rows.
    fn left_dark(drawn: &str, side: usize) -> Vec<bool> {
        let mut dark = Vec::new();
        for line in strip_str(drawn).to_string().lines() {
            assert_eq!(line.chars().count(), side);
            dark.extend(line.chars().map(|block| matches!(block, ' ' | '▄')));
            dark.extend(line.chars().map(|block| matches!(block, ' ' | '▀')));
        }
        dark.truncate(side * side);
        dark
    }

    #[test]
    fn the_file_and_the_terminal_show_the_same_modules_in_a_quiet_zone() {
        for groups in [1, 14, 24, 26, 160] {
            let code = code(groups);
            let picture = Picture::of(&code).expect("room");
            let side = picture.side();
            let dark = painted(&svg(&code).expect("room"), side);
            assert_eq!(dark, left_dark(&picture.drawn(side), side));
            let is_quiet = |at: usize| at < QUIET || at >= side - QUIET;
            let quiet = (0..side * side).filter(|at| is_quiet(at % side) || is_quiet(at / side));
            assert!(quiet.map(|at| dark[at]).all(|dark| !dark));
            let inner: Vec<Module> = (0..side * side)
                .filter(|at| !is_quiet(at % side) && !is_quiet(at / side))
                .map(|at| if dark[at] { Module::Dark } else { Module::Light })
                .collect();
            assert_eq!(inner, picture.modules);
        }
    }

    #[test]
    fn codes_take_the_alphanumeric_mode_and_usual_ones_fit_into_eighty_columns() {
        for groups in [14, 24, 30, 60] {
            let text = code(groups).to_string();
            let parts: Vec<_> = qrcode::optimize::Parser::new(text.as_bytes()).collect();
            assert!(parts.iter().all(|part| matches!(part.mode, Mode::Alphanumeric | Mode::Numeric)));
            assert!(Picture::of(&code(groups)).expect("room").side() <= COLUMNS);
        }
    }

    #[test]
    fn a_picture_that_is_too_wide_is_left_out_and_says_how_wide_it_is() {
        let picture = Picture::of(&code(160)).expect("room");
        let side = picture.side();
        let told = picture.drawn(side - 1);
        assert_eq!(told.lines().count(), 1);
        assert!(told.contains(&side.to_string()) && !told.contains('█'), "{told}");
        assert_eq!(picture.drawn(side).lines().count(), side.div_ceil(2));
    }

    #[test]
    fn every_line_is_painted_for_itself_and_the_title_names_the_code() {
        let code = code(24);
        let picture = Picture::of(&code).expect("room");
        let drawn = picture.drawn(COLUMNS);
        let (start, end) = (PAINT.to_string(), format!("{PAINT:#}"));
        assert!(drawn.lines().all(|line| line.starts_with(&start) && line.ends_with(&end)));
        assert!(svg(&code).expect("room").contains("<title>Counterfoil unlock code, 24 groups</title>"));
    }
}
