"""Sphinx's settings for the site; ``python -m tools.site`` prepares the pages and calls Sphinx."""

import json
from pathlib import Path

settings = json.loads(Path(__file__).with_name("settings.json").read_text(encoding="utf-8"))

project = "Neural networks with Keras"
html_title = project
author = "The nnlabs authors"
extensions = ["myst_nb", "sphinx_design"]
nb_execution_mode = "off"
nb_ipywidgets_js = {}
myst_enable_extensions = ["dollarmath", "amsmath", "colon_fence", "deflist"]
myst_heading_anchors = 4
myst_heading_slug_func = "tools.site.anchor"
suppress_warnings = ["myst.header", "mystnb.unknown_mime_type"]
mathjax_path = "mathjax/tex-chtml.js"
html_context = {"default_mode": "auto"}
html_theme = "sphinx_book_theme"
html_static_path = ["_static"]
html_css_files = ["site.css"]
html_copy_source = False
html_show_sourcelink = False
html_theme_options = {
    "repository_url": settings["repository"],
    "use_repository_button": settings["is_published"],
    "use_download_button": False,
    "show_toc_level": 2,
    "navbar_persistent": [],
    "pygments_light_style": "a11y-high-contrast-light",
    "pygments_dark_style": "a11y-high-contrast-dark",
}
