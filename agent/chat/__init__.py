"""The chat without its widgets: open conversations, what a page shows of them, what it fetches.

Only `app` imports this folder. It builds on the rest of `agent`, on `tools` and on `retrieval`, and knows
nothing of Gradio; the page's own style and scripts lie beside the modules.
"""
