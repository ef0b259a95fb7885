"""A small shop of printers and what goes with them, written by hand."""

from aisle.types import Product


def ink(id: str, title: str, devices: str = "", brand: str = "Brother", **rest: str) -> Product:
    attributes = {"compatibility": devices} if devices else {}
    return Product(id, title, brand=brand, attributes=attributes, identifiers=(title.split()[1],), **rest)


SHOP = (
    Product("printer", "Brother MFC-240C multifunctional", brand="Brother", identifiers=("MFC-240C",)),
    Product("laser", "HP LaserJet 1010 printer 600 x 1200 dpi", brand="HP", identifiers=("LaserJet 1010",)),
    ink("cyan", "Brother LC1000C ink cartridge Cyan", "DCP-130C, MFC-240C"),
    ink("magenta", "Brother LC1000M ink cartridge Magenta", "DCP-130C, MFC-240C"),
    ink("yellow", "Brother LC1000Y ink cartridge Yellow"),
    ink("blister", "Brother LC-1000CBP blister ink cartridge Cyan"),
    ink("other", "Brother LC-970C ink cartridge Cyan", "DCP-135C\\nMFC-235C"),
    ink("black", "HP 12A toner cartridge Black", "HP LaserJet 1010/1012", brand="HP"),
    ink("desk", "HP 27 ink cartridge Black", "HP DeskJet 1010", brand="HP"),
    ink("series", "Lexmark C5220KS toner cartridge Black", "Lexmark C52x", brand="Lexmark"),
    ink("title", "Xerox toner cartridge for Phaser 6125", brand="Xerox"),
    *(Product(f"chair{i}", f"Oak chair number {i}", brand="Woods") for i in range(12)),
)
