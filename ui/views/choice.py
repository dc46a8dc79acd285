"""Which collection, and who is labelling."""

import streamlit as st

from hundredfold.chassis.errors import ServiceError
from ui.backend import client


def collection() -> str | None:
    """The collection chosen, kept in the address; None when there is none to choose."""
    try:
        names = [each.name for each in client().catalog.collections()]
    except ServiceError as error:
        st.error(f"The catalog does not answer: {error.message}")
        return None
    if not names:
        st.info(
            "There is no collection yet. Bring one in from a terminal:\n\n"
            "`hundredfold bootstrap FOLDER --collection NAME`"
        )
        return None
    asked = st.query_params.get("collection", names[0])
    chosen = st.selectbox(
        "Collection",
        names,
        index=names.index(asked) if asked in names else 0,
        label_visibility="collapsed",
    )
    st.query_params["collection"] = chosen
    return str(chosen)
