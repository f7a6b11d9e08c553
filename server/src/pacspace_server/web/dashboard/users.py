from ..page import Page
from .desk import Desk, Request
async def show(desk: Desk, request: Request) -> Page: return desk.go("/app")
invite = change = show
