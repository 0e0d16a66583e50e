"""How Sphinx reads the pages: https://www.sphinx-doc.org/en/master/usage/configuration.html."""

from importlib.metadata import version as version_of

project = "Nexus"
version = release = version_of("nexus-core")

# The root of the repository is the source: links lead on the site where they lead in it, to pages
# as to pages, and to any other file as to a copy of it. So that file has to be there.
root_doc = "docs/README"
include_patterns = ["*.md", "docs/**.md", "deploy/**.md", "examples/**.md", "libs/**.md"]
# The last is a link to a folder under libs, and its page is there.
exclude_patterns = [".*", "dist", "deploy/cassandra"]

extensions = ["myst_parser", "tools.docs.navigation", "tools.docs.elsewhere", "tools.docs.breaks"]

# The anchors that GitHub makes of headings.
myst_heading_anchors = 6

html_theme = "furo"
html_title = f"Nexus {version}"
html_static_path = ["static"]
html_css_files = ["page.css"]
templates_path = ["templates"]
# Whoever opens the folder is led to the README.
html_additional_pages = {"index": "home.html"}
html_copy_source = False
html_use_index = False
html_show_sphinx = False
html_show_copyright = False
