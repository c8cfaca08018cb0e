import type { Place } from '../../shared/geo/place.ts'

/** Side of a cell in degrees: 44 km from north to south. Larger cells make a smaller table and larger errors. */
const CELL_DEGREES = 0.4

interface City {
  readonly name: string
  networks: number
  /** Sums over its networks. */
  latitude: number
  longitude: number
}

/** Places of one country that are near each other, and become one. */
export interface Cell {
  readonly country: string
  readonly cities: Map<string, City>
  networks: number
  /** Place of the cell in `PlaceGrid.places`, counted from 1; 0 before they are numbered. */
  number: number
}

/** Makes few places of many: those in the same country and cell of a grid count as the largest city among them. */
export class PlaceGrid {
  readonly #cells = new Map<string, Cell>()

  /** Counts so many networks at this place. */
  add(place: Place, networks: number): Cell {
    const { latitude, longitude, country } = place
    const key = `${country} ${Math.floor(latitude / CELL_DEGREES)} ${Math.floor(longitude / CELL_DEGREES)}`
    const cell = this.#cells.get(key) ?? { country, cities: new Map<string, City>(), networks: 0, number: 0 }
    this.#cells.set(key, cell)
    const city = cell.cities.get(place.city) ?? { name: place.city, networks: 0, latitude: 0, longitude: 0 }
    cell.cities.set(place.city, city)
    cell.networks += networks
    city.networks += networks
    city.latitude += latitude * networks
    city.longitude += longitude * networks
    return cell
  }

  /** One place for each cell, those with the most networks first, and numbers the cells by it. */
  places(): Place[] {
    const cells = [...this.#cells.values()].sort((a, b) => b.networks - a.networks)
    return cells.map((cell, i) => {
      cell.number = i + 1
      const city = [...cell.cities.values()].reduce((a, b) => (b.networks > a.networks ? b : a))
      return {
        latitude: city.latitude / city.networks,
        longitude: city.longitude / city.networks,
        country: cell.country,
        city: city.name,
      }
    })
  }
}
