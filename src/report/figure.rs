//! A figure that is part of a page and also a file.

#[cfg(feature = "png")]
use resvg::tiny_skia::{Pixmap, Transform};
#[cfg(feature = "png")]
use resvg::usvg::{Options, Tree};

/// A chart and the name of its files.
pub struct Figure {
    /// File name without extension.
    pub name: String,
    /// The chart, as SVG.
    pub svg: String,
}

/// Pixels of the PNG per pixel of the SVG, sharp in print.
#[cfg(feature = "png")]
const SCALE: f32 = 2.0;

impl Figure {
    /// `svg`, called `name`.
    #[must_use]
    pub fn new(name: impl Into<String>, svg: String) -> Self {
        Self { name: name.into(), svg }
    }

    /// Returns the figure as PNG, with a font of this program, so that it looks the same everywhere.
    ///
    /// # Errors
    /// In words, if the drawing is not valid SVG; never for this crate's drawings.
    #[cfg(feature = "png")]
    pub fn to_png(&self) -> Result<Vec<u8>, String> {
        let mut options = Options { font_family: "Ubuntu".to_owned(), ..Options::default() };
        let fonts = options.fontdb_mut();
        fonts.load_font_data(epaint_default_fonts::UBUNTU_LIGHT.to_vec());
        let family = fonts.faces().next().map(|face| face.families[0].0.clone());
        fonts.set_sans_serif_family(family.unwrap_or_default());
        let tree = Tree::from_str(&self.svg, &options).map_err(|error| error.to_string())?;
        let size = tree.size();
        let (width, height) = (SCALE * size.width(), SCALE * size.height());
        let mut picture = Pixmap::new(width.ceil() as u32, height.ceil() as u32)
            .ok_or("the drawing has no size")?;
        resvg::render(&tree, Transform::from_scale(SCALE, SCALE), &mut picture.as_mut());
        picture.encode_png().map_err(|error| error.to_string())
    }
}

#[cfg(all(test, feature = "png"))]
mod tests {
    use super::*;
    use crate::report::{Curve, line_chart};

    #[test]
    fn a_png_shows_the_line_and_the_letters() {
        let curve = Curve { name: "pat", points: vec![(0.0, 0.0), (1.0, 1.0)] };
        let chart =
            |title| line_chart(title, "epoch", "accuracy", None, std::slice::from_ref(&curve));
        let pixels = |title| {
            let png = Figure::new("accuracy", chart(title)).to_png().unwrap();
            Pixmap::decode_png(&png).unwrap()
        };
        let (titled, bare) = (pixels("Accuracy"), pixels(""));
        assert_eq!((titled.width(), titled.height()), (1120, 776));
        let blue = |pixel: &resvg::tiny_skia::PremultipliedColorU8| pixel.blue() > pixel.red();
        assert!(titled.pixels().iter().filter(|pixel| blue(pixel)).count() > 1000);
        // The title's letters are drawn, not missing for lack of a font.
        let dark = |picture: &Pixmap| {
            let top = &picture.pixels()[..1120 * 60];
            top.iter().filter(|pixel| pixel.red() < 128).count()
        };
        assert!(dark(&titled) > dark(&bare) + 200);
    }
}
