"""The labelling UI: `streamlit run ui/app.py` from the root of a checkout.

Streamlit draws the frame; the grid fetches pages and thumbnails and posts answers over the routes
mounted beside it, so that no key press waits for a script to run again.
"""

from pathlib import Path

import streamlit as st

from ui.routes import routes

app = st.App(str(Path(__file__).with_name("main.py")), routes=routes())
