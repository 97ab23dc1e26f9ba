"""Questions that change, narrow, go back to or ask about an earlier one."""
