//! The one place where text becomes HTML: what is no part of kerno's own source is escaped.
//! All of it is well-formed XML too.

use std::fmt::Display;
use std::fmt::Write as _;

use crate::report::page::printable;

/// HTML that is being written.
#[derive(Debug, Default)]
pub(super) struct Html(String);

impl Html {
    /// Markup that stands in the source: nothing that a stranger chose lives that long.
    pub(super) fn raw(&mut self, markup: &'static str) -> &mut Self {
        self.0.push_str(markup);
        self
    }

    /// Text, whatever is in it.
    pub(super) fn text(&mut self, text: impl Display) -> &mut Self {
        for c in printable(&text.to_string()).chars() {
            match c {
                '&' => self.0.push_str("&amp;"),
                '<' => self.0.push_str("&lt;"),
                '>' => self.0.push_str("&gt;"),
                '"' => self.0.push_str("&quot;"),
                '\'' => self.0.push_str("&#39;"),
                // Noncharacters are not allowed in XML, and are no names.
                '\u{fffe}' | '\u{ffff}' => self.0.push('\u{fffd}'),
                c => self.0.push(c),
            }
        }
        self
    }

    /// `<tag>text</tag>`
    pub(super) fn element(&mut self, tag: &'static str, text: impl Display) -> &mut Self {
        let name = tag.split(' ').next().unwrap_or(tag);
        self.raw("<").raw(tag).raw(">").text(text);
        self.raw("</").0.push_str(name);
        self.raw(">")
    }

    /// ` name="value"`
    pub(super) fn attribute(&mut self, name: &'static str, value: impl Display) -> &mut Self {
        self.raw(" ").raw(name).raw("=\"").text(value).raw("\"")
    }

    /// ` name="12.3"`, as short as it can be.
    pub(super) fn number(&mut self, name: &'static str, value: f64) -> &mut Self {
        self.raw(" ").raw(name).raw("=\"").figure(value).raw("\"")
    }

    /// A coordinate, to a tenth.
    pub(super) fn figure(&mut self, value: f64) -> &mut Self {
        let tenths = (value * 10.0).round() / 10.0;
        let tenths = if tenths.is_finite() {
            tenths + 0.0
        } else {
            0.0
        };
        // Writing to a String cannot fail.
        let _ = write!(self.0, "{tenths}");
        self
    }

    /// JSON for a script to read: no character of it ends the element or begins a comment.
    pub(super) fn json(&mut self, json: &str) -> &mut Self {
        for c in json.chars() {
            match c {
                '<' => self.0.push_str("\\u003c"),
                '>' => self.0.push_str("\\u003e"),
                '&' => self.0.push_str("\\u0026"),
                '\u{2028}' => self.0.push_str("\\u2028"),
                '\u{2029}' => self.0.push_str("\\u2029"),
                '\u{fffe}' => self.0.push_str("\\ufffe"),
                '\u{ffff}' => self.0.push_str("\\uffff"),
                '\u{7f}'..='\u{9f}' => {
                    let _ = write!(self.0, "\\u{:04x}", u32::from(c));
                }
                c => self.0.push(c),
            }
        }
        self
    }

    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    pub(super) fn as_bytes(&self) -> &[u8] {
        self.0.as_bytes()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_no_markup() {
        let mut html = Html::default();
        html.element("b class=\"x\"", "<i a='1' b=\"2\">&amp;\u{1b}\u{fffe}");
        html.raw("<i")
            .attribute("t", "\"><x")
            .number("x", -0.04)
            .raw("/>");
        assert_eq!(
            html.0,
            "<b class=\"x\">&lt;i a=&#39;1&#39; b=&quot;2&quot;&gt;&amp;amp;\\u{1b}\u{fffd}</b>\
             <i t=\"&quot;&gt;&lt;x\" x=\"0\"/>"
        );
    }

    #[test]
    fn json_stays_what_it_is() {
        let value = serde_json::json!({"</script><!--": "a&b\u{2028}\u{85}"});
        let mut html = Html::default();
        html.json(&value.to_string());
        assert!(!html.0.contains(['<', '>', '&']));
        let read: serde_json::Value = serde_json::from_str(&html.0).expect("JSON");
        assert_eq!(read, value);
    }
}
