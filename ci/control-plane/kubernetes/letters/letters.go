// Package letters says in a letter what Go writes of a field that is not set:
//
//	o  left out when empty
//	a  a value that always appears
//	n  a pointer, list, map or time that always appears, as null when unset
//	p  a pointer, left out when unset: an empty value stays
//	s  a struct that always appears
//	z  a struct left out when it is zero
package letters

import "reflect"

// Of is the letter of a field of a type. A struct may be one that is null when unset, as times are.
func Of(of reflect.Type, omitEmpty, omitZero, nullable bool) string {
	switch of.Kind() {
	case reflect.Struct:
		switch {
		case omitZero:
			return "z"
		case nullable:
			return "n"
		}
		return "s"
	case reflect.Pointer:
		if omitEmpty || omitZero {
			return "p"
		}
		return "n"
	case reflect.Slice, reflect.Map, reflect.Interface:
		if omitEmpty || omitZero {
			return "o"
		}
		return "n"
	}
	if omitEmpty || omitZero {
		return "o"
	}
	return "a"
}
