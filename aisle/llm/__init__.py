"""Asking language models: any OpenAI-compatible server, or a local model. One client, answers kept, a budget kept to.

Knows prompts and answers, nothing of what they are about.
"""

from aisle.llm.client import LlmClient, open_llm
from aisle.llm.question import Answer, Message, Question
from aisle.llm.settings import BudgetSettings, LlmSettings, PriceSettings

__all__ = ["Answer", "BudgetSettings", "LlmClient", "LlmSettings", "Message", "PriceSettings", "Question", "open_llm"]
