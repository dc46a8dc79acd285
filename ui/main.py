"""The frame: which views there are."""

import streamlit as st

from ui.views import label, progress

st.set_page_config(page_title="hundredfold", page_icon="▦", layout="wide")
st.navigation(
    [
        st.Page(
            label.show, title="Label", icon=":material/grid_view:", url_path="label", default=True
        ),
        st.Page(progress.show, title="Progress", icon=":material/monitoring:", url_path="progress"),
    ],
    position="top",
).run()
