"""The site's settings for Sphinx. `replication.report.site` lays the pages beside this file and calls it."""

project = "Training without derivatives of the activation"
author = "the replication's authors"
html_title = "BADMM, replicated"

extensions = ["myst_nb", "sphinx.ext.mathjax", "sphinx.ext.githubpages"]
myst_enable_extensions = ["dollarmath", "colon_fence"]
myst_heading_anchors = 4
nb_execution_mode = "off"  # notebooks are shown as the pipeline executed them
nb_merge_streams = True

html_theme = "furo"
html_static_path = ["_static"]
html_css_files = ["site.css"]
html_js_files = ["site.js", "charts.js", "curves.js", "searches.js", "denoised.js", "verdicts.js"]
html_copy_source = False
html_show_copyright = False
html_show_search_summary = False  # a page opened from disk cannot read another one

mathjax_path = "bundles/mathjax/es5/tex-svg.js"  # paths for glyphs: a browser may refuse to read fonts from disk
mathjax3_config = {"options": {"enableMenu": False}}  # the menu would load parts that are not here
