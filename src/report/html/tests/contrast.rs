//! Whether all of it can be read: contrast as WCAG 2.2 has it (success criteria 1.4.3, 1.4.11),
//! from the colours of the style sheet.

use std::collections::HashMap;

use super::STYLE;

/// The colours of each scheme: light, dark, print.
fn schemes() -> Vec<HashMap<&'static str, [f64; 3]>> {
    let blocks = STYLE.split(":root {").skip(1);
    let blocks = blocks.map(|block| block.split('}').next().expect("it ends"));
    let colours = blocks.map(|block| {
        let rows = block.split(';').filter_map(|row| row.split_once(": #"));
        rows.map(|(name, hex)| (name.trim().trim_start_matches("--"), rgb(hex.trim())))
            .collect()
    });
    colours.collect()
}

fn rgb(hex: &str) -> [f64; 3] {
    [0, 2, 4].map(|at| {
        let part = hex.get(at..at + 2).expect("six digits");
        f64::from(u8::from_str_radix(part, 16).expect("hexadecimal")) / 255.0
    })
}

/// <https://www.w3.org/TR/WCAG22/#dfn-relative-luminance>
fn luminance(rgb: [f64; 3]) -> f64 {
    let [r, g, b] = rgb.map(|c| match c <= 0.04045 {
        true => c / 12.92,
        false => ((c + 0.055) / 1.055).powf(2.4),
    });
    0.2126 * r + 0.7152 * g + 0.0722 * b
}

fn contrast(one: [f64; 3], other: [f64; 3]) -> f64 {
    let (one, other) = (luminance(one), luminance(other));
    (one.max(other) + 0.05) / (one.min(other) + 0.05)
}

#[test]
fn known_contrasts_come_out() {
    assert!((contrast(rgb("000000"), rgb("ffffff")) - 21.0).abs() < 1e-9);
    assert!((contrast(rgb("777777"), rgb("ffffff")) - 4.48).abs() < 0.01);
}

#[test]
fn text_has_a_contrast_of_4_5_and_graphics_of_3() {
    let schemes = schemes();
    assert_eq!(schemes.len(), 3, "light, dark, print");
    for (number, scheme) in schemes.iter().enumerate() {
        let of = |name: &str| {
            *scheme
                .get(name)
                .unwrap_or_else(|| panic!("{name} in {number}"))
        };
        let check = |one: &str, other: &str, least: f64| {
            let is = contrast(of(one), of(other));
            assert!(is >= least, "scheme {number}: {one} on {other} has {is:.2}");
        };
        for text in ["text", "muted", "link", "good", "warn", "bad"] {
            for ground in ["page", "card", "soft"] {
                check(text, ground, 4.5);
            }
        }
        for badge in ["good", "warn", "bad", "muted"] {
            check("on", badge, 4.5);
        }
        for graphic in [
            "c0", "c1", "c2", "c3", "c4", "c5", "c6", "heat", "muted", "bad",
        ] {
            check(graphic, "card", 3.0);
        }
        for ground in ["c1", "c2", "c3", "c4", "c5", "c6"] {
            check("hatch", ground, 3.0);
        }
    }
}
